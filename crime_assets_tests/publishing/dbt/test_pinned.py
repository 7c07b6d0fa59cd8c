"""The views that a run of dbt reads: all tables of one moment, also while others write."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest
from pyiceberg.table import Table

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError, LakeBusy
from crime_assets.core.insights import all_insights
from crime_assets.defs.work.steps import compute
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.profiles import Profile
from crime_assets.publishing.dbt.pinned import pin
from crime_assets_tests.build import envelope, record
from crime_assets_tests.cloud.aws.firehose_server import DeliveryStream
from crime_assets_tests.cloud.aws.profiles import aws_profile, aws_variables
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.lakehouse.lakes import merge
from crime_assets_tests.publishing.dbt.small_lake import CRIMES, DAY, filled, small_lake

pytestmark = pytest.mark.slow


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return small_lake(tmp_path / "lake", all_insights()[:1])


def commit(profile: Profile, number: int) -> None:
    """One more crime, and the insight that counts it."""
    merge(profile.lake, envelope(record(number, f"{DAY}", "2023-12-05"), f"{DAY}"))
    compute(profile, profile.engine, all_insights()[0], [DAY])


def seen(con: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """Crimes by the table of crimes, and by the insight."""
    told = "SELECT sum(crimes) FROM chicago.insight_crime_summary WHERE period = 'all'"
    row = con.execute(f"SELECT (SELECT count(*) FROM chicago.crimes), ({told})").fetchone()
    assert row is not None
    return row


def while_looking(monkeypatch: pytest.MonkeyPatch, profile: Profile, times: int) -> None:
    """Somebody commits after the first table was looked at, so often."""
    left = [*range(100, 100 + times)]
    looked = tables.every

    def every(lake: Lake, city: str) -> Mapping[str, Table]:
        first = looked(lake, city)
        if not left:
            return first
        commit(profile, left.pop())
        # What one who looks meanwhile finds: crimes of before, insights of after.
        return {**looked(lake, city), "crimes": first["crimes"]}

    monkeypatch.setattr(tables, "every", every)


def test_tables_that_change_while_they_are_looked_at_are_looked_at_again(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_looking(monkeypatch, profile, times=1)
    with duckdb.connect() as con:
        pin(profile, con)
        assert seen(con) == (len(CRIMES) + 1, len(CRIMES) + 1)


def test_writers_that_never_stop_are_not_waited_for(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    while_looking(monkeypatch, profile, times=20)
    with duckdb.connect() as con, pytest.raises(LakeBusy, match="5 times meanwhile: run dbt again later"):
        pin(profile, con)


def test_views_stand_still_and_are_made_anew_when_asked(profile: Profile) -> None:
    with duckdb.connect() as con:
        pin(profile, con)
        commit(profile, 99)
        assert seen(con) == (len(CRIMES), len(CRIMES))
        pin(profile, con)
        assert seen(con) == (len(CRIMES) + 1, len(CRIMES) + 1)


def test_a_lake_that_is_being_filled_again_is_not_read(profile: Profile) -> None:
    profile.landing.write(keys.refill("chicago"), b"{}")
    with duckdb.connect() as con:
        with pytest.raises(CrimeAssetsError, match="lost its tables of chicago and is not filled again: complete"):
            pin(profile, con)
        assert con.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchone() == (0,)


def test_on_object_storage_files_are_fetched_into_the_cache_of_the_machine(
    aws: Seaweed, firehose: DeliveryStream, tmp_path: Path
) -> None:
    here, there = (aws_variables(aws, firehose, tmp_path / name, f"{DAY}") for name in ("here", "there"))
    there["CRIME_LAKE"] = here["CRIME_LAKE"]
    filled(aws_profile(here, "2024-02-01T12:00:00"), all_insights()[:1])

    with duckdb.connect() as con:
        pin(aws_profile(there, "2024-02-01T12:00:00"), con)
        assert seen(con) == (len(CRIMES), len(CRIMES))
        views = con.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'crimes'").fetchall()
    assert str(tmp_path / "there" / "warehouse") in views[0][0]
