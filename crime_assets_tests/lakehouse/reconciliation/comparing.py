"""A source of given records beside a lake of given records, and what is known of both."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime

from crime_assets.core.digests import record_digest
from crime_assets.core.insights import Insight
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.reconcile import Comparison, Limits, compare
from crime_assets.lakehouse.reconciliation.removal import Gone, Removal, remove
from crime_assets.sources.feeds import Record, Stamps
from crime_assets_tests.build import CHICAGO, envelope, record, stamps
from crime_assets_tests.lakehouse.lakes import merge, rows

UNTIL = date(2024, 1, 20)
NOTICED = datetime(2024, 1, 21, 11, tzinfo=UTC)
JANUARY, DECEMBER = date(2024, 1, 1), date(2023, 12, 1)
INSIGHT = Insight("known", 99, "All that is known.", (), "SELECT id, record_md5 FROM crimes ORDER BY id, record_md5")


class Source:
    """A source with these records; `asked` says which months it was asked for in detail, and for how many ids."""

    name = "source"

    def __init__(self, *records: Mapping[str, object]) -> None:
        self.records = [dict(record) for record in records]
        self.asked: list[object] = []

    def month_stamps(self, until: date) -> dict[date | None, Stamps]:
        found: dict[date | None, Stamps] = {}
        for one in self._until(until):
            known = found.get(_month(one), Stamps())
            found[_month(one)] = known.plus(stamps(datetime.fromisoformat(str(one["updated_on"]))))
        return found

    def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
        self.asked.append(set(months))
        return iter([record for record in self._until(until) if _month(record) in months])

    def present(self, ids: Collection[int]) -> set[int]:
        self.asked.append(len(ids))
        return {int(str(record["id"])) for record in self.records} & set(ids)

    def count(self, first: date, last: date) -> int:
        return len([record for record in self.records if first <= _changed(record) <= last])

    def latest_day(self) -> date:
        return UNTIL

    def _until(self, until: date) -> list[Record]:
        return [record for record in self.records if _changed(record) <= until]


def _changed(record: Mapping[str, object]) -> date:
    return date.fromisoformat(str(record["updated_on"])[:10])


def _month(record: Mapping[str, object]) -> date | None:
    return date.fromisoformat(f"{str(record['date'])[:7]}-01") if "date" in record else None


def fill(lake: Lake, *records: Mapping[str, object], pulled: str = "2024-01-20T08:00:00") -> None:
    merge(lake, *(envelope(record, pulled=pulled) for record in records))


def reconcile(lake: Lake, source: Source, **limits: int) -> Comparison:
    return compare(lake, CHICAGO, source, UNTIL, Limits(**limits))


def crimes(first: int, after: int, occurred: str = "2024-01-05") -> list[dict[str, object]]:
    return [record(n, "2024-01-10", occurred) for n in range(first, after)]


def take_out(lake: Lake, *ids: int, on: date = UNTIL, noticed: datetime = NOTICED) -> int:
    gone = [Gone(row["id"], row["updated_on"]) for row in rows(lake) if row["id"] in ids]
    return remove(lake, CHICAGO, Removal(gone, on, noticed), {"run-id": "run-7"})


def known(engine: DuckDBEngine, day: str) -> list[tuple[int, str]]:
    found = engine.insight(INSIGHT, date.fromisoformat(day)).to_pylist()
    return [(row["id"], row["record_md5"]) for row in found]


def version(of: Mapping[str, object]) -> tuple[int, str]:
    return int(str(of["id"])), record_digest(of)
