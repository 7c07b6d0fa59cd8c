-- Illinois crime codes (IUCR) that have to do with vehicles, and what each is about. Chosen from the city's list of
-- codes (dataset c7ck-438e) and from the codes of the records, one of which, 502P, is not on that list. Reckless
-- homicide is by vehicle (720 ILCS 5/9-3); reckless conduct (0470) and reckless discharge (1477) need no vehicle and
-- are left out.
SELECT iucr, what
FROM (
    VALUES
    ('0142', 'reckless homicide'),
    ('0325', 'hijacking'),
    ('0326', 'hijacking'),
    ('0710', 'theft from a vehicle'),
    ('0760', 'theft from a vehicle'),
    ('0910', 'theft of a vehicle'),
    ('0915', 'theft of a vehicle'),
    ('0917', 'theft of a vehicle'),
    ('0918', 'theft of a vehicle'),
    ('0920', 'theft of a vehicle'),
    ('0925', 'theft of a vehicle'),
    ('0927', 'theft of a vehicle'),
    ('0928', 'theft of a vehicle'),
    ('0930', 'theft of a vehicle'),
    ('0935', 'theft of a vehicle'),
    ('0937', 'theft of a vehicle'),
    ('0938', 'theft of a vehicle'),
    ('1206', 'rented vehicle not returned'),
    ('1320', 'damage to a vehicle'),
    ('1360', 'trespass to a vehicle'),
    ('5002', 'other vehicle offense'),
    ('502P', 'title, registration, permit'),
    ('502R', 'title, registration, permit'),
    ('502T', 'tampering with a vehicle')
) AS codes (iucr, what)
