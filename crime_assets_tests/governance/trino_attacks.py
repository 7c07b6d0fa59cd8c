"""Queries that try to see more on a Trino server than its rules give. {snapshot} is the oldest of crimes."""

# Whether somebody is there: an error, if a row of another district is looked at.
_HIT = "1 / (CASE WHEN {} THEN 0 ELSE 1 END) = 1"
_HITS = {
    "elsewhere": "district <> '011'",
    "of no district": "district IS NULL",
    "by a kind": "primary_type = 'ZHIDDEN'",
    "by an id": "id % 3 = 0 AND district IS NULL",
}


def _of_each(name: str, sql: str) -> dict[str, str]:
    return {name.format(whom): sql.format(hit) for whom, hit in _HITS.items()}


TRINO_ATTACKS = {
    **_of_each("an error {}", f"SELECT count(*) FROM crimes WHERE {_HIT}"),
    **_of_each("a join {}", f"SELECT count(*) FROM crimes JOIN (VALUES 1) ON {_HIT}"),
    **_of_each("a sum {}", "SELECT sum(1 / (CASE WHEN {} THEN 0 ELSE 1 END)) FROM crimes"),
    "a cast": "SELECT count(*) FROM crimes WHERE CAST(case_number AS integer) = 1",
    "a cast of a part": "SELECT count(*) FROM crimes WHERE CAST(substr(block, 1, 3) AS tinyint) = 1",
    "a cast of what is of no district": (
        "SELECT id FROM crimes WHERE CAST(CASE WHEN district IS NULL THEN case_number ELSE '1' END AS integer) = 2"
    ),
    "a failure": "SELECT count(*) FROM crimes WHERE district IS NULL AND fail(case_number) IS NULL",
    "an overflow": "SELECT count(*) FROM crimes WHERE id * 1000000000000000000 > 0 AND district IS NULL",
    "a pattern": "SELECT 1 FROM crimes WHERE regexp_like('b', CASE WHEN district = '011' THEN 'a' ELSE '(' END)",
    "a lambda": (
        "SELECT count(*) FROM crimes "
        "WHERE any_match(ARRAY[1], x -> x / (CASE WHEN district = '011' THEN 1 ELSE 0 END) = 0)"
    ),
    "an order": "SELECT id FROM crimes ORDER BY 1 / (CASE WHEN district = '011' THEN 1 ELSE 0 END), id",
    "all rows": "SELECT id, case_number, district, block FROM crimes ORDER BY id",
    "unknown districts": "SELECT count(*) FROM crimes WHERE district IS NULL",
    "another name": "SELECT count(*), max(district) FROM lake.chicago.\"CRIMES\" WHERE district <> '011'",
    "a CTE of the name": "WITH crimes AS (SELECT * FROM lake.chicago.crimes) SELECT count(*) FROM crimes",
    "a CTE": "WITH other AS (SELECT id, district FROM crimes) SELECT count(*), max(district) FROM other",
    "a correlated one": (
        "SELECT count(*) FROM crimes a WHERE EXISTS (SELECT 1 FROM crimes b WHERE b.district <> a.district)"
    ),
    "a hidden column": "SELECT record_md5 FROM crimes",
    "a hidden column in a condition": "SELECT count(*) FROM crimes WHERE record_md5 > 'a'",
    "a hidden column in an order": "SELECT id FROM crimes ORDER BY record_md5",
    "a star": "SELECT * FROM crimes",
    "where it lies": 'SELECT "$path" FROM crimes',
    "when it was written": 'SELECT max("$file_modified_time") FROM crimes',
    "its partition": 'SELECT "$partition" FROM crimes',
    "earlier": "SELECT count(*), max(district) FROM crimes FOR VERSION AS OF {snapshot}",
    "changes": (
        "SELECT * FROM TABLE(lake.system.table_changes(schema_name => 'chicago', table_name => 'crimes', "
        "start_snapshot_id => {snapshot}, end_snapshot_id => {snapshot}))"
    ),
    **{f"table of {name}": f'SELECT * FROM "crimes${name}"' for name in (
        "files", "partitions", "snapshots", "history", "manifests", "refs", "properties", "metadata_log_entries",
        "all_entries", "entries", "all_manifests",
    )},
    "other versions": "SELECT * FROM crimes_superseded",
    "removed crimes": "SELECT * FROM crimes_removed",
    "quarantine": "SELECT * FROM crimes_quarantine",
    "statistics": "SHOW STATS FOR crimes",
    "statistics of a query": "SHOW STATS FOR (SELECT id, district FROM crimes WHERE district <> '011')",
    "how it was made": "SHOW CREATE TABLE crimes",
    "tables": "SHOW TABLES",
    "columns": (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'chicago' ORDER BY 1, 2"
    ),
    "schemas": "SHOW SCHEMAS",
    "catalogs": "SHOW CATALOGS",
    "queries": "SELECT query FROM system.runtime.queries",
    "nodes": "SELECT * FROM system.runtime.nodes",
    "table comments": "SELECT * FROM system.metadata.table_comments",
    "JDBC's tables": "SELECT * FROM system.jdbc.columns",
    "a table": "CREATE TABLE lake.chicago.mine AS SELECT * FROM crimes",
    "a view": "CREATE VIEW lake.chicago.mine AS SELECT * FROM crimes",
    "a view for others": "CREATE VIEW lake.chicago.mine SECURITY INVOKER AS SELECT id FROM crimes",
    "a row": "INSERT INTO crimes (id) VALUES (1)",
    "fewer rows": "DELETE FROM crimes WHERE 1 / (CASE WHEN district IS NULL THEN 0 ELSE 1 END) = 1",
    "other rows": "UPDATE crimes SET district = '011'",
    "a merge": "MERGE INTO crimes c USING (VALUES 1) v (x) ON c.id = v.x WHEN MATCHED THEN DELETE",
    "an index": "ANALYZE crimes",
    "upkeep": "ALTER TABLE crimes EXECUTE optimize",
    "a procedure": "CALL lake.system.rollback_to_snapshot('chicago', 'crimes', {snapshot})",
    "a setting": "SET SESSION lake.statistics_enabled = true",
    "a setting of the server": "SET SESSION query_max_run_time = '1h'",
    "a function": "CREATE FUNCTION lake.chicago.mine(x integer) RETURNS integer RETURN x",
    "a grant": "GRANT SELECT ON crimes TO USER nobody",
    "a role": "SET ROLE ALL",
    "another catalog": "CREATE CATALOG mine USING memory",
    "somebody else": "SET SESSION AUTHORIZATION test",
}  # fmt: skip
