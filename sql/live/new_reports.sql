-- The reports of a tick that are news: of `arrived`, what was typed with it, without repeats. A report that rules
-- count is taken once, by its first copy. One that came too late for that is kept in every copy: which of them are in
-- one tick is chance, and what looks at such reports looks for sets.

WITH numbered AS (
    SELECT
        arrived.*,
        ROW_NUMBER() OVER (
            PARTITION BY arrived.event_id, arrived.is_admitted
            ORDER BY arrived.arrived_s, LENGTH(arrived.sequence), arrived.sequence, arrived.shard
        ) AS copy
    FROM arrived
)

SELECT
    numbered.event_id,
    numbered.kind,
    numbered.fir_id,
    numbered.version,
    numbered.district,
    numbered.station,
    numbered.major_head,
    numbered.lat_milli AS cell_lat,
    numbered.lon_milli AS cell_lon,
    numbered.block_lat,
    numbered.block_lon,
    numbered.complainant_ref,
    numbered.vehicles,
    numbered.occurred_day,
    numbered.hour_number,
    numbered.block_number,
    numbered.day_number,
    numbered.registered_s,
    numbered.claimed_s,
    numbered.arrived_s,
    numbered.is_admitted,
    numbered.is_counted,
    numbered.is_in_time,
    numbered.is_known,
    numbered.md5,
    numbered.shard,
    numbered.sequence
FROM numbered
LEFT JOIN known_events ON numbered.is_admitted AND known_events.event_id = CAST(numbered.event_id AS UUID)
WHERE (numbered.copy = 1 OR NOT numbered.is_admitted) AND known_events.event_id IS NULL
