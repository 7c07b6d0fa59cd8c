-- The tables of a stream's state, in DuckDB's dialect: several statements, and nothing that other engines run. There
-- are no keys: an index takes memory, and whatever adds rows looks for them first.

-- One row: what the file is of.
CREATE TABLE about (
    format INTEGER,
    epoch VARCHAR,
    stream VARCHAR,
    zone VARCHAR,
    rules_digest VARCHAR,
    begun_at TIMESTAMPTZ
);

-- How far each shard has been read; progress_s is the time up to which nothing earlier will arrive in it.
CREATE TABLE shards (shard VARCHAR, sequence VARCHAR, is_ended BOOLEAN, progress_s DOUBLE);

CREATE TABLE ticks (
    tick BIGINT,
    committed_at TIMESTAMPTZ,
    records BIGINT,
    reports BIGINT,
    repeats BIGINT,
    late BIGINT,
    ahead BIGINT,
    quarantined BIGINT,
    watermark_s DOUBLE,
    closed_block INTEGER
);

-- Reports that rules have counted, for as long as a copy of one could be counted again.
CREATE TABLE known_events (event_id UUID, claimed_s DOUBLE, md5 VARCHAR);

-- Tallies of counted reports. Those by station are without sensitive reports, as these name none, and those by cell
-- without reports that have no place.
CREATE TABLE stations (
    station VARCHAR,
    district VARCHAR,
    first_hour INTEGER,
    first_day INTEGER,
    lat_sum BIGINT,
    lon_sum BIGINT,
    placed BIGINT
);

CREATE TABLE hours (station VARCHAR, hour_number INTEGER, reports BIGINT);

CREATE TABLE blocks (station VARCHAR, block_number INTEGER, reports BIGINT, in_time BIGINT);

CREATE TABLE cells (
    head VARCHAR,
    cell_lat INTEGER,
    cell_lon INTEGER,
    block_lat INTEGER,
    block_lon INTEGER,
    day_number INTEGER,
    reports BIGINT
);

CREATE TABLE complaints (
    complainant_ref VARCHAR,
    head VARCHAR,
    occurred_day INTEGER,
    day_number INTEGER,
    fir_id VARCHAR
);

-- Reports that named a vehicle of the watch list, counted or not.
CREATE TABLE named (ref VARCHAR, day_number INTEGER, fir_id VARCHAR);

CREATE TABLE watch_list (ref VARCHAR, from_s DOUBLE, until_s DOUBLE, why_md5 VARCHAR);

CREATE TABLE limits (chance INTEGER, periods INTEGER, before_reports INTEGER, most INTEGER);

-- What was raised: one row for each revision of an alert, with its number and line in the chain of alerts. seen_s is
-- when the newest report had arrived, in seconds since 1970.
CREATE TABLE alerts (
    alert_id VARCHAR,
    revision INTEGER,
    rule VARCHAR,
    subject VARCHAR,
    district VARCHAR,
    window_number INTEGER,
    at_least BIGINT,
    before_reports BIGINT,
    periods BIGINT,
    cell_lat INTEGER,
    cell_lon INTEGER,
    event_ids VARCHAR[],
    chain_number BIGINT,
    line INTEGER,
    raised_at TIMESTAMPTZ,
    seen_s DOUBLE
);

-- Lines and objects that have still to be written to the store.
CREATE TABLE lines (tick BIGINT, content BLOB, lines BIGINT, bytes BIGINT);

CREATE TABLE objects (
    chain VARCHAR,
    number BIGINT,
    first_tick BIGINT,
    last_tick BIGINT,
    is_published BOOLEAN
);

CREATE TABLE bad (tick BIGINT, line BLOB);

CREATE TABLE told (channel VARCHAR, number BIGINT);
