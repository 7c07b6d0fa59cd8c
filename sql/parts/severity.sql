-- The severity weight of a crime, by FBI code. These weights are our judgment; change them here and nowhere else.
--
-- A weight is roughly the minimum prison term, in years, for the class of felony most typical of the code under the
-- Unified Code of Corrections of Illinois (730 ILCS 5/5-4.5-20 to 5-4.5-65): first degree murder 20, Class X 6, Class 1
-- 4, Class 2 3, Class 3 2, Class 4 1. Misdemeanors have no minimum term: 0.25 for Class A, 0.1 for Class B and C. A
-- code that is not listed, or no code, weighs as little as the lightest here. Weights have at most three decimals.
SELECT fbi_code, CAST(weight AS DECIMAL(9, 3)) AS weight
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
) AS weights (fbi_code, weight)
