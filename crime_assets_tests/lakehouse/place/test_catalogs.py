"""One contract for every catalog that can run here: SQLite in a directory, an Iceberg REST catalog, Glue.

Lakes on object storage are opened from two machines at a time, each with a directory of its own.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pyarrow as pa
import pytest
from pyarrow.fs import FileInfo, FileType
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.types import StringType

from crime_assets.core.errors import CrimeAssetsError, LakeBusy, LakeError
from crime_assets.core.insights import Insight, all_insights
from crime_assets.defs.work import steps
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place import warehouse
from crime_assets.lakehouse.place.lake import CityState, Lake, Remote
from crime_assets.lakehouse.upkeep import compaction
from crime_assets.lakehouse.upkeep.expiry import expire
from crime_assets.lakehouse.upkeep.orphans import remove_orphans
from crime_assets.lakehouse.upkeep.sizes import table_sizes
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.lakehouse.writing.insights import replace_days
from crime_assets.lakehouse.writing.merge import merge_deliveries
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.cloud.aws.glue_catalog import GlueCatalog
from crime_assets_tests.cloud.aws.servers import ACCESS_KEY, REGION, SECRET_KEY, Seaweed
from crime_assets_tests.lakehouse.lakes import ListFeed, merge, properties, snapshots, versions
from crime_assets_tests.lakehouse.writing.versions import model
from crime_assets_tests.stress.test_writers import delivery

pytestmark = pytest.mark.slow

WRITERS, DELIVERIES = 3, 2
DAY = date(2024, 1, 20)


@dataclass(frozen=True)
class LakeOn:
    """How a machine opens the lake; other processes can be given it. A machine is a directory's name."""

    directory: Path
    properties: Mapping[str, str] | None = None
    """pyiceberg's, of a catalog on object storage."""

    def __call__(self, machine: str) -> Lake:
        if self.properties is None:
            return Lake(self.directory / "lake")
        documents = DirectoryStore(self.directory / "documents")
        return Lake(self.directory / machine, Remote("s3://a-bucket", documents, self.properties))


def storage(aws: Seaweed) -> dict[str, str]:
    """Processes that are forked do not have the test's environment."""
    keys = {"s3.access-key-id": ACCESS_KEY, "s3.secret-access-key": SECRET_KEY}
    return {"s3.region": REGION, "s3.endpoint": aws.s3, **keys}


def on_glue(aws: Seaweed, glue: GlueCatalog, directory: Path) -> LakeOn:
    place = {"warehouse": f"s3://{aws.bucket()}/lake", "glue.endpoint": glue.url, "client.region": REGION}
    keys = {"client.access-key-id": ACCESS_KEY, "client.secret-access-key": SECRET_KEY}
    return LakeOn(directory, {"type": "glue", **place, **keys, **storage(aws)})


def on_rest(aws: Seaweed, directory: Path) -> LakeOn:
    server = {"uri": aws.catalog, "oauth2-server-uri": f"{aws.catalog}/v1/oauth/tokens"}
    own = {"credential": f"{ACCESS_KEY}:{SECRET_KEY}", "warehouse": f"s3://{aws.table_bucket()}/"}
    return LakeOn(directory, {"type": "rest", **server, **own, **storage(aws)})


@pytest.fixture
def glue(moto: str) -> Iterator[GlueCatalog]:
    server = GlueCatalog(moto)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "rest", "glue"])
def open_lake(request: pytest.FixtureRequest, tmp_path: Path) -> LakeOn:
    if request.param == "sqlite":
        return LakeOn(tmp_path)
    aws: Seaweed = request.getfixturevalue("aws")
    if request.param == "rest":
        return on_rest(aws, tmp_path)
    return on_glue(aws, request.getfixturevalue("glue"), tmp_path)


HISTORY = [record(n, "2024-01-10", f"2023-{1 + n % 12:02}-05") for n in range(1, 25)]
CHANGES = [
    envelope(record(1, "2024-01-20", "2023-02-05", arrest=True)),
    envelope(record(30, "2024-01-20", "2024-01-11")),
    envelope(record(31, "2024-01-20", ward="none")),
]


def load(lake: Lake) -> None:
    load_history(lake, CHICAGO, ListFeed(HISTORY), DAY, "run")


def test_a_lake_on_any_catalog_holds_the_same_rows(open_lake: LakeOn, tmp_path: Path) -> None:
    lakes = [open_lake("one"), Lake(tmp_path / "other")]
    for lake in lakes:
        load(lake)
        result = merge(lake, *CHANGES)
        assert (result.rows, result.inserted, result.replaced, result.quarantined) == (25, 1, 1, 1)

    found, expected = ([versions(lake, name) for name in ("crimes", "crimes_superseded")] for lake in lakes)
    assert found == expected
    assert len(found[0]) == 25
    assert tables.names(lakes[0], "chicago") == ["crimes", "crimes_quarantine", "crimes_superseded"]


def test_another_machine_sees_what_was_committed_and_nothing_is_committed_twice(open_lake: LakeOn) -> None:
    load(open_lake("one"))
    merge(open_lake("one"), *CHANGES)
    other = open_lake("two")
    before = snapshots(other), snapshots(other, "crimes_superseded")

    load(other)
    assert merge(other, *CHANGES).snapshot_id is None

    assert (snapshots(other), snapshots(other, "crimes_superseded")) == before
    assert properties(other)["inserted"] == "1"
    assert versions(other) == versions(open_lake("one"))
    assert DuckDBEngine(other, CHICAGO).query("SELECT count(*), count(DISTINCT id) FROM crimes").rows == [(25, 25)]


def test_a_copy_that_was_cut_off_is_fetched_again(aws: Seaweed, tmp_path: Path) -> None:
    open_lake = on_rest(aws, tmp_path)
    load(open_lake("one"))
    lake = open_lake("two")
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    for path in tables.fetch(table, tables.data_files(table)):
        Path(path).write_bytes(Path(path).read_bytes()[:100])

    assert DuckDBEngine(lake, CHICAGO).query("SELECT count(*), count(DISTINCT id) FROM crimes").rows == [(24, 24)]


def test_what_was_settled_is_the_same_on_every_machine(open_lake: LakeOn) -> None:
    state = CityState("sample", "2024-01-10", 100, 7)
    open_lake("one").begin_city("chicago", state)

    assert open_lake("two").city("chicago") == state


def test_insights_are_replaced_by_day(open_lake: LakeOn) -> None:
    lake = open_lake("one")
    load(lake)
    insight = all_insights()[0]
    rows = {DAY: DuckDBEngine(lake, CHICAGO).insight(insight, DAY)}

    assert replace_days(lake, CHICAGO, insight, rows) == [DAY]
    assert replace_days(open_lake("two"), CHICAGO, insight, rows) == []
    assert len(snapshots(lake, insight.table)) == 1


def test_a_late_commit_is_refused_and_takes_its_files_along(open_lake: LakeOn) -> None:
    lake = open_lake("one")
    load(lake)
    outdated = tables.load(lake, "chicago", "crimes")
    assert outdated is not None
    merge(open_lake("two"), *CHANGES)
    path = tables.new_data_path(outdated, "occurred_month=2024-01")
    path.write_bytes(Path(tables.fetch(outdated, tables.data_files(outdated))[0]).read_bytes())
    location = warehouse.location_of(outdated, path)

    with pytest.raises(tables.StalePlan):
        tables.commit(outdated, tables.Change((), (path,), {}))

    assert not path.exists()
    assert location not in {file.location for file in warehouse.stored_files(outdated)}
    assert len(versions(lake)) == 25


def test_late_columns_and_properties_are_refused_too(aws: Seaweed, tmp_path: Path) -> None:
    open_lake = on_rest(aws, tmp_path)
    lake = open_lake("one")
    outdated = tables.curated(lake, CHICAGO, "crimes")
    tables.add_columns(tables.curated(open_lake("two"), CHICAGO, "crimes"), {"theirs": StringType()})

    with pytest.raises(tables.StalePlan):
        tables.add_columns(outdated, {"mine": StringType()})
    table = tables.curated(lake, CHICAGO, "crimes")
    with table.transaction() as transaction:
        transaction.set_properties({"write.metadata.previous-versions-max": "99"})
    table.catalog.commit_table = Mock(side_effect=CommitFailedException)  # type: ignore[method-assign]
    with pytest.raises(tables.StalePlan):
        tables.settle_properties(table)

    names = tables.curated(open_lake("three"), CHICAGO, "crimes").schema().column_names
    assert ("theirs" in names, "mine" in names) == (True, False)


def write(open_lake: LakeOn, number: int) -> None:
    lake = open_lake(str(number))
    for one in range(DELIVERIES):
        for attempt in range(10):
            try:
                merge_deliveries(lake, CHICAGO, delivery(one * WRITERS + number), {})
                break
            except LakeBusy:
                # Overtaken five times: what a person or Dagster does is to run it again.
                assert attempt < 9


def test_writers_on_several_machines_lose_nothing(open_lake: LakeOn) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    processes = [context.Process(target=write, args=(open_lake, number)) for number in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)

    assert [process.exitcode for process in processes] == [0] * WRITERS
    everything = [line for number in range(WRITERS * DELIVERIES) for line in delivery(number)]
    assert versions(open_lake("reader")) == sorted(model(everything).items())


def test_a_commit_whose_answer_was_lost_is_not_taken_for_a_refused_one(
    aws: Seaweed, glue: GlueCatalog, tmp_path: Path
) -> None:
    """Glue's client asks again and is refused, by what it has itself committed."""
    open_lake = on_glue(aws, glue, tmp_path)
    load(open_lake("one"))
    glue.loses_an_answer_about = "crimes"

    assert merge(open_lake("one"), *CHANGES).inserted == 1

    assert glue.loses_an_answer_about is None
    assert DuckDBEngine(open_lake("two"), CHICAGO).query("SELECT count(*) FROM crimes").rows == [(25,)]
    assert merge(open_lake("three"), *CHANGES).snapshot_id is None


def test_a_glue_that_is_always_overtaken_is_one_sentence(
    aws: Seaweed, glue: GlueCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = on_glue(aws, glue, tmp_path)("one")
    load(lake)
    with monkeypatch.context() as patched:
        client = lake.catalog.glue  # type: ignore[attr-defined]
        told = {"Error": {"Code": "ConcurrentModificationException", "Message": "Update table failed."}}
        error = client.exceptions.ConcurrentModificationException(told, "UpdateTable")
        patched.setattr(client, "update_table", Mock(side_effect=error))
        with pytest.raises(LakeBusy, match="run again later"):
            merge(lake, *CHANGES)

    assert merge(lake, *CHANGES).inserted == 1
    assert len(versions(lake)) == 25


def test_two_lakes_of_one_account_are_told_apart(aws: Seaweed, glue: GlueCatalog, tmp_path: Path) -> None:
    load(on_glue(aws, glue, tmp_path)("one"))

    with pytest.raises(LakeError, match=r"has chicago.crimes for another lake \(s3://bucket-"):
        merge(on_glue(aws, glue, tmp_path)("two"), *CHANGES)


def test_what_another_machine_computed_meanwhile_is_computed_again(aws: Seaweed, tmp_path: Path) -> None:
    """It may have known more: a late change makes days stale that were not there when they were looked for."""
    open_lake = on_rest(aws, tmp_path)
    mine, theirs = open_lake("one"), open_lake("two")
    load(mine)
    merge(mine, envelope(record(30, "2024-01-20", "2024-01-11")))
    insight = all_insights()[0]
    late = [date(2024, 1, 21), date(2024, 1, 22)]
    nothing_kept = Mock(list=Mock(return_value=[]))
    other = SimpleNamespace(lake=theirs, city=CHICAGO, landing=nothing_kept)
    interruptions = [1]

    class Overtaken(DuckDBEngine):
        def insight(self, insight: Insight, as_of_day: date) -> pa.Table:
            found = super().insight(insight, as_of_day)
            if interruptions:
                interruptions.pop()
                merge(theirs, envelope(record(40, "2024-01-20", "2024-01-11")))
                steps.compute(other, DuckDBEngine(theirs, CHICAGO), insight, late[:1])
            return found

    profile = SimpleNamespace(lake=mine, city=CHICAGO, landing=nothing_kept)
    steps.compute(profile, Overtaken(mine, CHICAGO), insight, late[1:])

    reader = DuckDBEngine(open_lake("three"), CHICAGO)
    asked = f"SELECT as_of_day, crimes FROM {insight.table} WHERE period = 'all' ORDER BY as_of_day"
    assert reader.query(asked).rows == [(day, 26) for day in late]


def test_orphans_are_looked_for_where_others_have_databases_too(aws: Seaweed, tmp_path: Path) -> None:
    lake = on_rest(aws, tmp_path)("one")
    load(lake)
    lake.catalog.create_namespace(("warehouse_of_others",))
    asked = []
    load_table = lake.catalog.load_table
    lake.catalog.load_table = lambda name: asked.append(name[0]) or load_table(name)  # type: ignore[func-returns-value]

    remove_orphans(lake, CHICAGO, datetime.now(UTC))

    assert set(asked) == {"chicago"}


def test_files_of_one_machine_lie_below_its_cache_whatever_a_catalog_says(aws: Seaweed, tmp_path: Path) -> None:
    lake = on_rest(aws, tmp_path)("one")
    load(lake)
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    bucket = table.location().split("/")[2]
    inside = table.location()
    outside = (f"s3://{bucket}/x", f"{inside}x/f", f"{inside}/x/../../../../etc/passwd")
    for location in (*outside, "file:///etc/passwd", "s3a://bucket/x", inside[:5]):
        with pytest.raises(LakeError, match="outside its warehouse"):
            warehouse.path_of(table, location)
    # They are keys of their own, which Arrow would not reach: a copy of them would be one of x/f.
    for location in (f"{inside}/x//f", f"{inside}/x/./f", f"{inside}//x/f"):
        with pytest.raises(LakeError, match="or not by a plain path"):
            warehouse.path_of(table, location)
    one, other = (warehouse.path_of(table, f"{inside}/x=a#{number}?/f") for number in (1, 2))
    assert one != other
    assert lake.warehouse in one.parents
    assert warehouse.location_of(table, one) == f"{inside}/x=a#1?/f"


def test_files_that_no_table_can_have_are_not_among_its_files(
    aws: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables.curated(on_rest(aws, tmp_path)("one"), CHICAGO, "crimes")
    root = table.location().removeprefix("s3://")
    found = [FileInfo(f"{root}/data/{name}", FileType.File, mtime_ns=0, size=1) for name in ("f", "./f", "/f", "../f")]
    listed = SimpleNamespace(get_file_info=lambda selector: found)
    monkeypatch.setattr(table.io, "fs_by_scheme", lambda *place: listed)

    assert [file.location for file in warehouse.stored_files(table)] == [f"{table.location()}/data/f"]


def test_upkeep(open_lake: LakeOn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MOST_SMALL_FILES", 2)
    lake = open_lake("one")
    load(lake)
    for number in range(4):
        merge(lake, envelope(record(1, f"2024-01-{number + 11:02}", "2023-02-05", ward=str(number + 1))))
    before = versions(lake), versions(lake, "crimes_superseded")

    done = compaction.compact(lake, CHICAGO)
    assert done["crimes_superseded"].files_removed == 4
    later = datetime.now(UTC) + timedelta(hours=1)
    expire(lake, CHICAGO, all_insights(), later)
    removed = remove_orphans(lake, CHICAGO, later)

    assert removed["crimes"].files_removed > 3
    other = open_lake("two")
    assert (versions(other), versions(other, "crimes_superseded")) == before
    table = tables.load(other, "chicago", "crimes_superseded")
    assert table is not None
    stored = {file.location.rpartition("/")[2] for file in warehouse.stored_files(table) if ".parquet" in file.location}
    assert len(stored) == table_sizes(other, "chicago")["crimes_superseded"].data_files == 1


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"uri": "http://127.0.0.1:9"}, "cannot be reached: check CRIME_CATALOG"),
        ({"credential": "test-key:wrong"}, "refused the credentials: correct CRIME_CATALOG_CREDENTIAL"),
        ({"s3.secret-access-key": "wrong"}, "check that the credentials are valid"),
        ({"s3.endpoint": "http://127.0.0.1:9"}, "run again"),
    ],
)
def test_a_catalog_or_storage_that_refuses_says_so_in_one_sentence(
    properties: dict[str, str], sentence: str, aws: Seaweed, tmp_path: Path
) -> None:
    sound = on_rest(aws, tmp_path)
    load(sound("one"))
    assert sound.properties is not None
    broken = LakeOn(tmp_path, {**sound.properties, **properties, "s3.connect-timeout": "1", "s3.request-timeout": "2"})

    with pytest.raises(CrimeAssetsError, match=sentence):
        DuckDBEngine(broken("two"), CHICAGO).query("SELECT count(*) FROM crimes")
    with pytest.raises(CrimeAssetsError, match=sentence):
        merge(broken("two"), *CHANGES)

    assert merge(sound("one"), *CHANGES).inserted == 1
