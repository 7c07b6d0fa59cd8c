"""Ten million complaints of New York, which have no change stamps: loading them, and finding what a newer publication
changes, beside DuckDB that does the least of it.

    python -m benchmarks.publications publish PLACE ROWS  both publications, as files
    python -m benchmarks.publications load PLACE        the first publication, as a lake
    python -m benchmarks.publications follow PLACE      the newer one, compared, delivered and merged
    python -m benchmarks.publications duckdb PLACE      the first publication, as month-partitioned Parquet
    python -m benchmarks.publications differ PLACE      which records differ, by a digest of their columns

Of the newer publication one record in 200 has changed, one in 500 is new and one in 1,000 gone, from all years. The
peers take no account of types, of one row per id, of what was delivered, or of memory.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from benchmarks.measuring import Figure, module, spend
from crime_assets.defs.work import steps
from crime_assets.lakehouse.reconciliation.following import newly_published, note_gone, record_gone, remove_gone
from crime_assets.profiles import Profile, Settings
from crime_assets.sources.feeds import PublishedFeed
from crime_assets.streams.inventory import take_inventories
from crime_assets.streams.pull import pull

ROWS = 10_000_000
DAY = date(2026, 11, 27)
_RECORDS = """
    SELECT
        CAST(100000000 + n AS VARCHAR) AS CMPLNT_NUM,
        strftime(DATE '2006-01-01' + CAST(hash(n) % 7400 AS INTEGER), '%m/%d/%Y') AS CMPLNT_FR_DT,
        lpad(CAST(hash(n, 1) % 24 AS VARCHAR), 2, '0') || ':30:00' AS CMPLNT_FR_TM,
        strftime(DATE '2006-01-02' + CAST(hash(n) % 7400 AS INTEGER), '%m/%d/%Y') AS RPT_DT,
        CAST(1 + hash(n, 2) % 123 AS VARCHAR) AS ADDR_PCT_CD,
        kinds.ky AS KY_CD, kinds.offense AS OFNS_DESC, kinds.pd AS PD_CD, kinds.words AS PD_DESC,
        'COMPLETED' AS CRM_ATPT_CPTD_CD, kinds.law AS LAW_CAT_CD,
        ['BRONX', 'BROOKLYN', 'MANHATTAN', 'QUEENS', 'STATEN ISLAND'][CAST(1 + hash(n, 3) % 5 AS INTEGER)] AS BORO_NM,
        'INSIDE' AS LOC_OF_OCCUR_DESC, 'RESIDENCE - APT. HOUSE' AS PREM_TYP_DESC,
        'N.Y. POLICE DEPT' AS JURIS_DESC, '0' AS JURISDICTION_CODE,
        CAST(980000 + hash(n, 4) % 80000 AS VARCHAR) AS X_COORD_CD,
        CAST(160000 + hash(n, 5) % 90000 AS VARCHAR) AS Y_COORD_CD,
        '25-44' AS SUSP_AGE_GROUP, 'UNKNOWN' AS SUSP_RACE, 'M' AS SUSP_SEX,
        CAST(40.55 + (hash(n, 6) % 350000) / 1e6 AS VARCHAR) AS Latitude,
        CAST(-74.2 + (hash(n, 7) % 450000) / 1e6 AS VARCHAR) AS Longitude,
        'PATROL BORO BKLYN NORTH' AS PATROL_BORO, '25-44' AS VIC_AGE_GROUP, 'UNKNOWN' AS VIC_RACE, 'F' AS VIC_SEX
    FROM range(?) AS numbers(n)
    JOIN (VALUES
        (0, '344', 'ASSAULT 3 & RELATED OFFENSES', '101', 'ASSAULT 3', 'MISDEMEANOR'),
        (1, '341', 'PETIT LARCENY', '333', 'LARCENY,PETIT FROM STORE-SHOPL', 'MISDEMEANOR'),
        (2, '109', 'GRAND LARCENY', '438', 'LARCENY,GRAND FROM BUILDING (NON-RESIDENCE) UNATTENDED', 'FELONY'),
        (3, '105', 'ROBBERY', '397', 'ROBBERY,OPEN AREA UNCLASSIFIED', 'FELONY'),
        (4, '107', 'BURGLARY', '221', 'BURGLARY,RESIDENCE,DAY', 'FELONY'),
        (5, '578', 'HARRASSMENT 2', '638', 'HARASSMENT,SUBD 3,4,5', 'VIOLATION')
    ) AS kinds(k, ky, offense, pd, words, law) ON kinds.k = hash(n, 8) % 6
"""
_NEWER = """
    SELECT * REPLACE (if(hash(CMPLNT_NUM) % 200 = 0, 'STREET', PREM_TYP_DESC) AS PREM_TYP_DESC)
    FROM read_parquet($older) WHERE hash(CMPLNT_NUM) % 1000 <> 7
    UNION ALL
    SELECT * REPLACE (CMPLNT_NUM || 'N' AS CMPLNT_NUM) FROM read_parquet($older) WHERE hash(CMPLNT_NUM) % 500 = 3
"""
_DIFFERING = """
    WITH digests AS (
        SELECT CMPLNT_NUM, md5(CAST(publication AS VARCHAR)) AS digest FROM read_parquet($older) AS publication
    ),
    newer AS (
        SELECT CMPLNT_NUM, md5(CAST(publication AS VARCHAR)) AS digest FROM read_parquet($newer) AS publication
    )
    SELECT count(*) FROM newer FULL JOIN digests USING (CMPLNT_NUM) WHERE newer.digest IS DISTINCT FROM digests.digest
"""


def publish(place: Path, rows: int) -> None:
    """Write both publications."""
    place.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(f"CREATE TEMP TABLE records AS {_RECORDS}", [rows])
        con.execute("COPY records TO ? (FORMAT parquet, COMPRESSION zstd)", [str(place / "older.parquet")])
        con.execute("CREATE TEMP TABLE newer AS " + _NEWER, {"older": str(place / "older.parquet")})
        con.execute("COPY newer TO ? (FORMAT parquet, COMPRESSION zstd)", [str(place / "newer.parquet")])


def load(place: Path) -> None:
    """The first publication becomes a lake."""
    profile, feed = _profile(place, "older")
    profile.begin(DAY)
    print(f"{steps.load_history(profile, feed, DAY, 'benchmark').rows} rows")


def follow(place: Path) -> None:
    """What the graph does with the newer publication, up to one row per crime."""
    profile, feed = _profile(place, "newer")
    lake, city, landing = profile.lake, profile.city, profile.landing
    found = newly_published(lake, city, feed, DAY)
    note_gone(landing, city, DAY, found.gone)
    pull(found.missing, feed.columns(), city, DAY, DAY, landing, profile.stream(), profile.clock(), found.undated)
    take_inventories(landing, city.name, [DAY])
    record_gone(lake, city, landing, [DAY], profile.clock())
    merged = steps.merge(profile, [DAY], "benchmark")
    gone = remove_gone(lake, city, landing, [DAY], profile.clock(), {"run-id": "benchmark"})
    print(f"{merged.inserted + merged.replaced + merged.removed + gone} changes")


def duckdb_alone(place: Path) -> None:
    """The first publication, written by month as it is."""
    with duckdb.connect() as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute(
            "COPY (SELECT *, strptime(CMPLNT_FR_DT, '%m/%d/%Y') AS occurred_on, strftime(occurred_on, '%Y-%m') AS month"
            " FROM read_parquet($older)) TO $directory (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (month))",
            {"older": str(place / "older.parquet"), "directory": str(place / "duckdb")},
        )


def differ(place: Path) -> None:
    """Digests of all records of both publications, joined."""
    with duckdb.connect() as con:
        files = {name: str(place / f"{name}.parquet") for name in ("older", "newer")}
        ((changes,),) = con.execute(_DIFFERING, files).fetchall()
    print(f"{changes} changes")


def figures(place: Path, rows: int = ROWS) -> list[Figure]:
    """Both figures."""
    place /= "new_york"
    # A process of its own: the peak of this one would be that of all that it starts.
    spend(module("publications", "publish", place, rows))
    ours, peer = (spend(module("publications", what, place)) for what in ("load", "duckdb"))
    followed, differing = (spend(module("publications", what, place)) for what in ("follow", "differ"))
    if followed.printed != differing.printed:
        raise AssertionError(f"{followed.printed} here, {differing.printed} by DuckDB")
    return [
        Figure(
            f"New York's history, {int(ours.printed.split()[0]):,} rows",
            f"{ours.seconds:.1f} s, {ours.peak:.2f} GiB",
            f"DuckDB, month-partitioned Parquet: {peer.seconds:.1f} s, {peer.peak:.2f} GiB",
            ours.seconds / peer.seconds,
            4,
        ),
        Figure(
            f"a newer publication of it, {int(followed.printed.split()[0]):,} changes, merged",
            f"{followed.seconds:.1f} s, {followed.peak:.2f} GiB",
            f"DuckDB, which records differ: {differing.seconds:.1f} s, {differing.peak:.2f} GiB",
            followed.seconds / differing.seconds,
            4,
        ),
    ]


def _profile(place: Path, publication: str) -> tuple[Profile, PublishedFeed]:
    settings = Settings(
        home=place / "lake", city="new_york", feed="export", export=str(place / f"{publication}.parquet")
    )
    # Files are written later than that: what they hold counts for the last complete day.
    profile = Profile(settings, lambda: datetime(2026, 11, 28, 20, tzinfo=UTC))
    feed = profile.feed
    if not isinstance(feed, PublishedFeed):
        raise TypeError("New York publishes without change stamps")
    return profile, feed


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        publish(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        {"load": load, "follow": follow, "duckdb": duckdb_alone, "differ": differ}[sys.argv[1]](Path(sys.argv[2]))
