"""What the export feed keeps of a file, for the next feed and for a history that was broken off."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError
from crime_assets.sources.cities import get
from crime_assets.sources.feeds import Record, csv_lines, spool
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets_tests.sources.feeds.export.files import (
    DAY,
    HEADER,
    LATER,
    TODAY,
    Kept,
    changes,
    crime,
    export,
    feed,
    history,
    in_order,
    line,
    stamp,
)


class TestReplay:
    """What is kept of a file between feeds."""

    def test_a_second_feed_reads_the_export_no_more(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = export(tmp_path / "a.csv", [line(crime(n, updated_on=stamp(DAY))) for n in range(5)])
        expected = changes(source, DAY, DAY)
        (tmp_path / "a.csv").chmod(0o600)
        again = feed(tmp_path / "a.csv")
        monkeypatch.setattr(again, "_parts", None)  # reading the file again would fail
        assert changes(again, DAY, DAY) == expected
        assert (again.latest_day(), again.count(DAY, DAY)) == (DAY, 5)

    def test_an_earlier_day_is_read_again(self, tmp_path: Path) -> None:
        earlier = DAY - timedelta(days=3)
        source = export(
            tmp_path / "a.csv", [line(crime(1, updated_on=stamp(earlier))), line(crime(2, updated_on=stamp(DAY)))]
        )
        assert len(changes(source, DAY, DAY)) == 1
        assert [row["id"] for row in changes(feed(tmp_path / "a.csv"), earlier, earlier)] == ["1"]

    def test_a_changed_export_is_read_again(self, tmp_path: Path) -> None:
        changes(export(tmp_path / "a.csv", [line(crime(1, updated_on=stamp(DAY)))]), DAY, DAY)
        source = export(tmp_path / "a.csv", [line(crime(n, updated_on=stamp(DAY))) for n in (2, 3)])
        assert [row["id"] for row in changes(source, DAY, DAY)] == ["2", "3"]

    def test_a_damaged_memory_is_no_harm(self, tmp_path: Path, kept: Path) -> None:
        source = export(tmp_path / "a.csv", [line(crime(1, updated_on=stamp(DAY)))])
        expected = changes(source, DAY, DAY)
        (file,) = kept.iterdir()
        file.write_bytes(file.read_bytes()[:100])
        assert changes(feed(tmp_path / "a.csv"), DAY, DAY) == expected

    def test_a_pass_that_breaks_off_keeps_nothing(self, tmp_path: Path, kept: Path) -> None:
        path = tmp_path / "a.csv.gz"
        path.write_bytes(gzip.compress(HEADER + b"\n" + b"\n".join(line(crime(n)) for n in range(9)))[:-9])
        with pytest.raises(FeedError):
            changes(feed(path), DAY, DAY)
        assert list(kept.iterdir()) == []

    def test_a_stamp_in_the_future_is_not_the_latest_day(self, tmp_path: Path) -> None:
        lines = [line(crime(1, updated_on=stamp(DAY))), line(crime(2, updated_on=stamp(TODAY)))]
        assert export(tmp_path / "a.csv", lines).latest_day() == DAY


def broken_off(source: ExportFeed) -> tuple[str, dict[str, list[Record]]]:
    """The source and all parts of a history whose load breaks off after the last of them."""
    found: dict[str, list[Record]] = {}
    names: list[str] = []

    def load() -> None:
        with source.history(LATER) as reading:
            names.append(reading.source)
            found.update({part: reading.read(part).to_pylist() for part in reading.parts})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load()
    return names[0], found


class TestHistoryInOrder:
    """The parts of a history, and what is kept on disk for one that was broken off."""

    OCCURRED = ("11/01/2018 12:01:00 AM", "2018-10-31T23:59:59.999", "12/31/2001 11:59:00 PM", "2018-11-30 10:00:00")
    NO_MONTH = ("", "yesterday", "99/99/2018", "01/01/1800 10:00:00 AM", "2101-01-01T00:00:00")

    @pytest.fixture
    def crimes(self) -> list[Record]:
        chance = random.Random(3)
        return [crime(n, date=chance.choice((*self.OCCURRED, *self.NO_MONTH))) for n in range(300)]

    @pytest.fixture
    def path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crimes: list[Record]) -> Path:
        monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 5_000)
        monkeypatch.setattr(spool, "_ROWS", 50)
        to_come = crime(9_000, updated_on=stamp(date(2018, 11, 25)))
        export(tmp_path / "a.csv", [*map(line, crimes[:200]), b"damaged", line(to_come)])
        export(tmp_path / "b.csv", map(line, crimes[200:]))
        return tmp_path / "[ab].csv"

    def test_a_part_has_rows_of_one_month_and_what_has_none_is_a_part_too(
        self, path: Path, crimes: list[Record]
    ) -> None:
        found: dict[str, list[object]] = {}
        with feed(path).history(LATER) as reading:
            for part in reading.parts:
                rows = reading.read(part)
                assert 0 < rows.num_rows <= 50
                found.setdefault(part.split(".")[0], []).extend(rows["id"].to_pylist())
        months = dict(zip(self.OCCURRED, ("2018-11", "2018-10", "2001-12", "2018-11"), strict=True))
        expected: dict[str, list[object]] = {"none": [None]}
        for one in crimes:
            expected.setdefault(months.get(str(one.get("date")), "none"), []).append(one["id"])
        assert {month: sorted(map(str, ids)) for month, ids in found.items()} == {
            month: sorted(map(str, ids)) for month, ids in expected.items()
        }

    def test_a_load_that_goes_on_reads_the_export_no_more(
        self, path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = broken_off(feed(path))
        again = feed(path)
        monkeypatch.setattr(again, "_parts", None)  # reading the files again would fail
        assert broken_off(again) == first
        assert (kept / "history").exists()
        with again.history(LATER) as reading:
            assert (reading.source, set(reading.parts)) == (first[0], set(first[1]))
        assert not (kept / "history").exists()

    @pytest.mark.parametrize("change", ["another day", "an edited file", "one file more", "another clock"])
    def test_another_history_is_read_anew(self, path: Path, crimes: list[Record], change: str) -> None:
        source, _ = broken_off(feed(path))
        today, before = TODAY, LATER
        expected: list[str | None] = [*(str(one["id"]) for one in crimes), None]
        match change:
            case "another day":
                before, expected = DAY, [None]
            case "an edited file":
                export(path.parent / "b.csv", [line(crime(7_000))])
                expected[200:300] = ["7000"]
            case "one file more":
                export(path.parent / "c.csv", [line(crime(8_000))])
                path = path.parent / "*.csv"
                expected.append("8000")
            case "another clock":
                # A day that one pulls later is still to come for the other.
                today = date(2018, 11, 21)
                expected.append(None)
        other = ExportFeed(get("chicago"), str(path), cache=Kept.directory, today=today)
        with other.history(before) as reading:
            assert reading.source != source
            rows = [row for part in reading.parts for row in reading.read(part).to_pylist()]
        assert Counter(row["id"] for row in rows) == Counter(expected)

    def test_a_pass_over_the_files_that_breaks_off_is_not_trusted(
        self, path: Path, crimes: list[Record], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts = ExportFile.parts

        def breaking(file: ExportFile) -> Iterator[csv_lines.Lines]:
            if file.path.name == "b.csv":
                raise FeedError("gone")
            yield from parts(file)

        with monkeypatch.context() as patch:
            patch.setattr(ExportFile, "parts", breaking)
            with pytest.raises(FeedError, match="gone"):
                history(feed(path))
        assert history(feed(path)) == (in_order(crimes), {"damaged": "1 fields where the header has 22"})
