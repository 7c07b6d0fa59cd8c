-- Who complained of what: new reports that name their complainant, by major head, day on which it happened and day on
-- which it was registered.

SELECT
    complainant_ref,
    major_head AS head,
    occurred_day,
    day_number,
    fir_id,
    MIN(district) AS district,
    MIN(event_id) AS event_id
FROM new_reports
WHERE is_counted AND complainant_ref IS NOT NULL AND occurred_day IS NOT NULL
GROUP BY complainant_ref, major_head, occurred_day, day_number, fir_id
