-- The severity weight of a crime, by FBI code (Chicago) or by NIBRS code (all other cities). These weights are our
-- judgment; change them here and nowhere else.
--
-- A weight is roughly the minimum prison term, in years, for the class of felony most typical of the code under the
-- Unified Code of Corrections of Illinois (730 ILCS 5/5-4.5-20 to 5-4.5-65): first degree murder 20, Class X 6, Class 1
-- 4, Class 2 3, Class 3 2, Class 4 1. Misdemeanors have no minimum term: 0.25 for Class A, 0.1 for Class B and C.
-- Weights have at most three decimals.
--
-- It is one scale for all cities. Outside Illinois it is not the law of the state: it says which crimes weigh more than
-- others, the same everywhere. Cities fill the same codes with other acts, so severities may be compared within a city,
-- never between cities. NIBRS codes are finer than Chicago's: where they weigh otherwise, a comment says so.
--
-- An FBI code that is not listed, or none, weighs as little as the lightest of these. A NIBRS code that is not listed,
-- or none, weighs nothing, like what is no crime: offenses of federal law only, and records whose code is unmapped.
-- `codes` says which column of crimes has the code, as a text: an insight that reads a column is hidden from whoever may
-- not see that one.
SELECT 'fbi_code' AS codes, code, CAST(weight AS DECIMAL(9, 3)) AS weight
FROM (
    VALUES
        ('01A', 20),   -- homicide: first degree murder
        ('01B', 2),    -- involuntary manslaughter, reckless homicide: Class 3
        ('02', 4),     -- criminal sexual assault: Class 1
        ('03', 6),     -- robbery: most are armed, Class X
        ('04A', 1),    -- aggravated assault: Class 4
        ('04B', 2),    -- aggravated battery: Class 3
        ('05', 3),     -- burglary: Class 2
        ('06', 0.25),  -- theft: most of it up to $500, Class A
        ('07', 2),     -- motor vehicle theft: Class 3
        ('08A', 0.1),  -- simple assault: Class C
        ('08B', 0.25), -- simple battery: Class A
        ('09', 3),     -- arson: Class 2
        ('10', 2),     -- forgery: Class 3
        ('11', 1),     -- fraud: Class 4
        ('12', 1),     -- embezzlement: Class 4
        ('13', 1),     -- stolen property: Class 4
        ('14', 0.25),  -- criminal damage: Class A
        ('15', 1),     -- weapons: unlawful possession, Class 4
        ('16', 0.25),  -- prostitution: Class A
        ('17', 1),     -- sexual abuse: Class 4
        ('18', 1),     -- drugs: possession, Class 4
        ('19', 0.25),  -- gambling: Class A
        ('20', 0.25),  -- offenses against family and children: Class A
        ('22', 0.1),   -- liquor license: Class B
        ('24', 0.25),  -- disorderly and reckless conduct: Class A
        ('26', 0.1)    -- all else: mostly Class B
) AS weights (code, weight)
UNION ALL
SELECT 'nibrs_code' AS codes, code, CAST(weight AS DECIMAL(9, 3)) AS weight
FROM (
    VALUES
        ('09A', 20),   -- homicide: first degree murder
        ('09B', 2),    -- involuntary manslaughter, reckless homicide: Class 3
        ('09C', 0),    -- justifiable homicide: no crime
        ('100', 3),    -- kidnapping: Class 2; Chicago's is mostly child abduction (20) or unlawful restraint (26)
        ('11A', 4),    -- criminal sexual assault: Class 1
        ('11B', 4),
        ('11C', 4),
        ('11D', 1),    -- sexual abuse: Class 4; more than other offenses against family (20)
        ('120', 6),    -- robbery: most are armed, Class X
        ('13A', 2),    -- aggravated battery: Class 3; more than aggravated assault alone (04A)
        ('13B', 0.25), -- simple battery: Class A; more than assault alone (08A)
        ('13C', 0.1),  -- threats by telephone: Class B; less than disorderly conduct (24)
        ('200', 3),    -- arson: Class 2
        ('210', 2),    -- intimidation for gain: Class 3; more than all else (26)
        ('220', 3),    -- burglary: Class 2
        ('23A', 2),    -- theft from the person: Class 3; most of Chicago's theft (06) is not
        ('23B', 2),    -- theft from the person: Class 3; most of Chicago's theft (06) is not
        ('23C', 0.25), -- theft: most of it up to $500, Class A
        ('23D', 0.25),
        ('23E', 0.25),
        ('23F', 0.25), -- Chicago counts some of it as burglary (05)
        ('23G', 0.25),
        ('23H', 0.25),
        ('240', 2),    -- motor vehicle theft: Class 3
        ('250', 2),    -- forgery: Class 3; more than fraud (11) and all else (26)
        ('26A', 1),    -- fraud: Class 4
        ('26B', 1),
        ('26C', 1),
        ('26D', 1),
        ('26E', 2),    -- wire fraud: Class 3
        ('26F', 1),
        ('26G', 1),
        ('26H', 2),    -- money laundering: Class 3; more than all else (26)
        ('270', 1),    -- embezzlement: Class 4
        ('280', 1),    -- stolen property: Class 4; more than all else (26)
        ('290', 0.25), -- criminal damage: Class A; more than all else (26)
        ('35A', 1),    -- drugs: possession, Class 4
        ('35B', 0.25), -- drug paraphernalia: Class A; less than drugs (18), more than all else (26)
        ('360', 2),    -- not registered as a sex offender: Class 3
        ('36A', 2),    -- sexual relations within families: Class 3; more than other sexual abuse (17)
        ('36B', 1),    -- sexual abuse by age: Class A to Class 2
        ('370', 1),    -- obscenity is Class A, child pornography Class 2 or more: between prostitution (16) and these
        ('39A', 0.25), -- gambling: Class A
        ('39B', 0.25),
        ('39C', 0.25),
        ('39D', 1),    -- a bribe in sports: Class 4; more than gambling (19)
        ('40A', 0.25), -- prostitution: Class A
        ('40B', 1),    -- promoting prostitution: Class 4; more than prostitution (16)
        ('40C', 0.25), -- soliciting a sexual act: Class A; less than sexual abuse (17)
        ('510', 3),    -- bribery: Class 2; more than all else (26)
        ('520', 1),    -- weapons: unlawful possession, Class 4; more than all else (26)
        ('521', 2),    -- machine guns: Class 3
        ('526', 4),    -- explosives: Class 1
        ('64A', 4),    -- trafficking in persons: Class 1; more than all else (26)
        ('64B', 4),    -- trafficking in persons: Class 1; more than all else (26)
        ('720', 0.25), -- cruelty to animals: Class A; more than all else (26)
        ('90A', 0.25), -- bad checks: Class A
        ('90B', 0.1),  -- curfew, loitering: an ordinance
        ('90C', 0.25), -- disorderly conduct, indecency: Class A; less than sexual abuse (17), more than all else (26)
        ('90D', 0.25), -- driving under the influence: Class A
        ('90E', 0.1),  -- drunkenness: an ordinance
        ('90F', 0.25), -- offenses against family and children: Class A; more than all else (26)
        ('90G', 0.1),  -- liquor license: Class B
        ('90H', 0.25), -- peeping: Class A
        ('90I', 0),    -- runaway: no crime
        ('90J', 0.1),  -- trespass: Class B
        ('90M', 2),    -- perjury: Class 3
        ('90Z', 0.1),  -- all else: mostly Class B; less than the rest of fraud, sex, family and conduct (11, 17, 20, 24)
        ('999', 0),    -- no crime, and all that begin with X
        ('X10', 0),
        ('X20', 0),
        ('X30', 0),
        ('X31', 0),
        ('X40', 0),
        ('X50', 0),
        ('X60', 0),
        ('X61', 0),
        ('X62', 0),
        ('X70', 0),
        ('X99', 0)
) AS nibrs_weights (code, weight)
