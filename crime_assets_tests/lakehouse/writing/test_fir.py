"""Live reports in the lake: what a table has depends on the set of objects alone, and how far it is on its snapshot."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import LakeBusy, LakeError, LandingError
from crime_assets.incidents.chain import ALERTS, DELIVERIES, Chain
from crime_assets.incidents.contract import FIELDS
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.rebuilding import rebuild
from crime_assets.lakehouse.records.live import HISTORY, SCHEMA, table_of
from crime_assets.lakehouse.writing import fir
from crime_assets.lakehouse.writing.fir import Merged, add_alerts, merge_reports, read_to
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.incidents.warehouse.reports import Line, kept, overlapping, report, write

EPOCH = "20260105T000000Z-0a1b2c3d"
Row = dict[str, Any]


class House:
    """A lake and the chains of one state."""

    def __init__(self, place: Path) -> None:
        self.lake = Lake(place / "lake")
        self.store = DirectoryStore(place / "landing")

    def deliver(self, number: int, lines: list[Line], epoch: str = EPOCH) -> None:
        write(self.store, self.chain(epoch=epoch).key(number), lines)

    def chain(self, name: str = DELIVERIES, epoch: str = EPOCH) -> Chain:
        return Chain(self.store, "fir", epoch, name)

    def merge(self, epoch: str = EPOCH, **others: Any) -> Merged:
        return merge_reports(self.lake, self.store, "fir", epoch, **others)

    def rows(self, name: str = HISTORY) -> list[Row]:
        table = table_of(self.lake, name)
        found: list[Row] = table.scan().to_arrow().to_pylist() if table is not None else []
        return found

    def history(self) -> dict[str, Row]:
        """Report → its row, without where it comes from."""
        found = {row["fir_id"]: {field.name: row[field.name] for field in FIELDS} for row in self.rows()}
        assert len(found) == len(self.rows()), "a report has two rows"
        return found

    def snapshots(self, name: str = HISTORY) -> int:
        table = table_of(self.lake, name)
        return len(table.history()) if table is not None else 0


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_report_arrives_as_it_is_and_says_where_from(house: House) -> None:
    lines = [report(7, gd_no="a\tb\\c\n", property_value_inr=0.1 + 0.2, direction="ü\u2028"), report(9, arrived=None)]
    house.deliver(1, lines)

    assert house.merge() == Merged(objects=1, read=2, changed=2, rows=2, number=1)
    assert house.history() == kept(lines)
    assert {(row["epoch"], row["delivery"]) for row in house.rows()} == {(EPOCH, 1)}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_of_copies_the_first_to_arrive_stays_whichever_is_merged_first(house: House, order: tuple[int, ...]) -> None:
    copies = [report(1, arrived=after) for after in (90, 30, None)] + [report(1, arrived=30, action_taken="refused")]
    for number, n in enumerate(order, 1):
        house.deliver(number, [copies[n]])
        house.merge()

    assert house.history() == kept(copies)


@pytest.mark.parametrize("seed", range(2))
def test_neither_the_order_of_objects_nor_how_many_are_merged_at_once_matters(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    objects = overlapping(chance, objects=6, size=60, reports=150)
    wanted = kept(line for lines in objects for line in lines)
    for n, at_once in enumerate((1, 150, 100_000)):
        house = House(tmp_path / str(n))
        chance.shuffle(objects)
        for number, lines in enumerate(objects, 1):
            house.deliver(number, lines)
        merged = house.merge(at_once=at_once)

        assert house.history() == wanted
        assert (merged.objects, merged.read, merged.rows) == (6, sum(map(len, objects)), len(wanted))


def test_a_report_moves_to_the_month_of_its_newest_version(house: House) -> None:
    moved = report(1, 2, registered_at="2026-03-31T23:59:59.999999Z")
    house.deliver(1, [report(1), report(2), report(800)])
    house.merge()
    house.deliver(2, [moved])

    assert house.merge().changed == 1
    assert house.history() == kept([moved, report(2), report(800)])
    table = table_of(house.lake, HISTORY)
    assert table is not None
    assert sorted(str(tables.month_of(file)) for file in tables.data_files(table)) == [
        "2026-01-01",
        "2026-02-01",
        "2026-03-01",
    ]


def test_nothing_new_makes_no_snapshot_and_other_months_keep_their_files(house: House) -> None:
    house.deliver(1, [report(1), report(800)])
    house.merge()
    table = table_of(house.lake, HISTORY)
    assert table is not None
    before = {file.file_path for file in tables.data_files(table)}
    house.deliver(2, [report(1), report(1, arrived=900.0)])

    assert house.merge() == Merged(objects=1, read=2, changed=0, rows=2, number=1)
    assert house.merge().changed == 0
    assert (house.snapshots(), read_to(house.lake, HISTORY)) == (1, {EPOCH: 1})

    house.deliver(3, [report(1, 2)])
    assert house.merge() == Merged(objects=2, read=3, changed=1, rows=2, number=3)
    now = table_of(house.lake, HISTORY)
    assert now is not None
    assert len(before & {file.file_path for file in tables.data_files(now)}) == 1
    assert house.merge() == Merged(objects=0, read=0, changed=0, rows=2, number=3)


@pytest.mark.parametrize("step", ["write_file", "without_empty", "tables.commit", "tables.create"])
def test_who_is_stopped_anywhere_goes_on_at_the_last_snapshot(
    house: House, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known of an interrupted merge but what its snapshots say."""
    objects = overlapping(random.Random(5), objects=5, size=30, reports=60)
    for number, lines in enumerate(objects, 1):
        house.deliver(number, lines)
    stopped = 0
    for at in (1, 2, 2):
        with monkeypatch.context() as patch:
            _stopped(patch, step, at)
            try:
                house.merge(at_once=1)
            except KeyboardInterrupt:
                stopped += 1
        house.lake = Lake(house.lake.home)
    house.merge(at_once=1)

    assert stopped == (1 if step == "tables.create" else 3)
    assert house.history() == kept(line for lines in objects for line in lines)
    assert house.snapshots() <= len(objects)


def _stopped(patch: pytest.MonkeyPatch, step: str, at: int) -> None:
    """The process dies before the step is taken for the n-th time."""
    place, name = (tables, step.partition(".")[2]) if "." in step else (fir, step)
    real, left = getattr(place, name), [at]

    def step_or_die(*arguments: Any, **others: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return real(*arguments, **others)

    patch.setattr(place, name, step_or_die)


def test_who_was_overtaken_plans_again_on_what_is_there_now(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.deliver(1, [report(1, 1)])
    house.deliver(2, [report(1, 2), report(2)])
    real, overtaken = tables.commit, []

    def commit(*arguments: Any) -> int:
        if not overtaken:
            overtaken.append(True)
            house.merge(at_once=1)
            raise StalePlan
        return real(*arguments)

    monkeypatch.setattr(tables, "commit", commit)
    house.merge(at_once=1)

    assert house.history() == kept([report(1, 2), report(2)])
    assert (house.snapshots(), read_to(house.lake, HISTORY)) == (2, {EPOCH: 2})


def test_a_table_that_never_rests_is_left_to_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def commit(*_: Any) -> int:
        raise StalePlan

    house.deliver(1, [report(1)])
    monkeypatch.setattr(tables, "commit", commit)
    with pytest.raises(LakeBusy, match=r"live.fir_history 5 times .* run again"):
        house.merge()


def test_what_comes_before_a_damaged_delivery_is_merged(house: House) -> None:
    house.deliver(1, [report(1)])
    house.deliver(2, [report(2), {"fir_id": "SX/1/2/2026/1"}])
    house.deliver(3, [report(3)])
    for _ in range(2):
        with pytest.raises(LandingError, match=r"000000000002.gz is no report"):
            house.merge()
    house.deliver(2, [report(2)])
    house.merge()

    assert house.history() == kept([report(1), report(2), report(3)])


def test_a_number_that_no_table_takes_is_an_error_without_its_value(house: House) -> None:
    house.deliver(1, [report(1, accused_count=123_456_789_012)])
    with pytest.raises(LandingError, match="does not belong there") as error:
        house.merge()
    assert "123456789012" not in f"{error.value} {error.value.__cause__} {error.value.__context__}"


def test_a_state_that_was_begun_anew_is_read_from_its_beginning(house: House) -> None:
    again = "20260201T000000Z-99999999"
    house.deliver(1, [report(1), report(2)])
    house.deliver(2, [report(1, 2)])
    house.merge()
    house.deliver(1, [report(1, 3)], epoch=again)
    house.merge(epoch=again)

    assert house.history() == kept([report(1, 3), report(2)])
    assert read_to(house.lake, HISTORY) == {EPOCH: 2, again: 1}
    assert house.merge() == Merged(objects=0, read=0, changed=0, rows=2, number=2)


def test_a_table_that_lacks_what_was_removed_after_it_had_it_is_not_filled_anew(house: House) -> None:
    for number in (1, 2, 3, 4):
        house.deliver(number, [report(number)])
    house.merge()
    house.chain().begin_at(3)
    assert house.merge() == Merged(objects=0, read=0, changed=0, rows=4, number=4)

    (house.lake.home / "catalog.db").unlink()
    house.lake = Lake(house.lake.home)
    with pytest.raises(LakeError, match=r"had all that came before .*000000000003.gz, .* rebuild-catalog"):
        house.merge()
    rebuild(house.lake)
    house.deliver(5, [report(5)])
    assert house.merge() == Merged(objects=1, read=1, changed=1, rows=5, number=5)


def test_streams_are_not_mixed(house: House) -> None:
    house.deliver(1, [report(1)])
    house.merge()
    with pytest.raises(LakeError, match=r"of the stream fir: give sample a CRIME_HOME of its own"):
        merge_reports(house.lake, house.store, "sample", EPOCH)


def test_snapshots_do_not_pile_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fir, "_KEPT_SNAPSHOTS", 2)
    for number in range(1, 7):
        house.deliver(number, [report(number)])
        house.merge()

    assert house.snapshots() <= 4
    assert read_to(house.lake, HISTORY) == {EPOCH: 6}


def alert(subject: str, revision: int = 1, **other: Any) -> Row:
    return {
        "alert_id": f"a-{subject}",
        "rule": "surge",
        "subject": subject,
        "district": "101",
        "window_number": 490_000,
        "revision": revision,
        "at_least": 5,
        "before_reports": 2,
        "periods": 8,
        "event_ids": ["e-1", "e-2"],
        "raised_at": "2026-01-31T23:59:59.123456+00:00",
        "title": "Far more reports than usual in an hour",
        "window": "hour",
        "window_start": "2026-02-01T04:00:00+05:30",
        "lat": 28.6,
        "lon": None,
        **other,
    }


def publish(house: House, number: int, *alerts: Row, epoch: str = EPOCH) -> None:
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in alerts)
    house.chain(ALERTS, epoch).write(number, lines)


def test_each_revision_of_an_alert_has_one_row(house: House) -> None:
    again = "20260201T000000Z-99999999"
    publish(house, 1, alert("s1"), alert("s2", window_start=None))
    publish(house, 2, alert("s1", 2))
    added = [add_alerts(house.lake, house.store, "fir", EPOCH, at_once=1) for _ in range(2)]
    later = alert("s1", raised_at="2026-02-02T00:00:00+00:00")
    publish(house, 1, later, alert("s3"), epoch=again)
    add_alerts(house.lake, house.store, "fir", again)

    assert added == [Merged(2, 3, 3, 3, 2), Merged(0, 0, 0, 3, 2)]
    rows = house.rows("fir_alerts")
    assert sorted((row["alert_id"], row["revision"], row["epoch"], row["object_number"]) for row in rows) == [
        ("a-s1", 1, EPOCH, 1),
        ("a-s1", 2, EPOCH, 2),
        ("a-s2", 1, EPOCH, 1),
        ("a-s3", 1, again, 1),
    ]
    (first,) = [row for row in rows if (row["alert_id"], row["revision"]) == ("a-s1", 1)]
    assert first["event_ids"] == '["e-1", "e-2"]'
    assert (first["raised_at"].isoformat(), first["window_start"].isoformat()) == (
        "2026-01-31T23:59:59.123456+00:00",
        "2026-01-31T22:30:00+00:00",
    )
    assert house.snapshots("fir_alerts") == 3


def test_an_object_that_has_no_alerts_is_damaged(house: House) -> None:
    house.chain(ALERTS).write(1, b"{}\n")
    with pytest.raises(LandingError, match=r"000000000001.ndjson has a line that does not belong there"):
        add_alerts(house.lake, house.store, "fir", EPOCH)


def test_a_lost_table_is_not_taken_for_one_that_never_was(house: House) -> None:
    house.deliver(1, [report(1)])
    house.merge()
    for path in sorted((house.lake.warehouse / SCHEMA / HISTORY).rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(LakeError, match=r"live.fir_history"):
        merge_reports(Lake(house.lake.home), house.store, "fir", EPOCH)
