"""The live portal: a city's dataset read over SODA 2 with sodapy.

What belongs here: the queries sent to the portal, and whether its answers are complete. `soda` interprets answers,
`retries` decides when to ask again; nothing here knows what a record means.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain
from types import MappingProxyType, UnionType
from typing import Any, Literal, TypeVar

import pyarrow as pa
import requests
from sodapy import Socrata

from crime_assets.core.digests import canonical_json
from crime_assets.core.errors import FeedError, FeedUnavailable, UsageError
from crime_assets.sources.cities import City, Kind, Source
from crime_assets.sources.feeds import DAMAGE, RAW, History, PublishedFeed, Record, StampedFeed, Stamps
from crime_assets.sources.feeds.retries import TransientError, patiently
from crime_assets.sources.feeds.soda import Judge, field_names, known_ids, months, number, records, rows_updated_at

T = TypeVar("T")

PAGE_LIMIT = 50_000
"""Most records on a page of SODA 2.0."""

_CUT_SHORT = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.JSONDecodeError,
)
_ROW_ID = re.compile(r"[A-Za-z0-9._~:'+/=-]{1,128}")
_TOKEN = re.compile(r"[!-~]+")
_ONE_DAY = timedelta(days=1)
_OLDEST, _AFTER_ALL = date(1900, 1, 1), date(2101, 1, 1)
"""Records that occurred before the first of these days, or on or after the second, have no month."""
_IDS_AT_ONCE = 300
"""The portal takes addresses of about eight thousand characters."""
_SUMS = MappingProxyType(
    {
        "years": "date_extract_y",
        "months": "date_extract_m",
        "days": "date_extract_d",
        "hours": "date_extract_hh",
        "minutes": "date_extract_mm",
        "seconds": "date_extract_ss",
    }
)
"""Field of Stamps → SoQL function, each of SODA 2.1."""

_TYPES: Mapping[Kind, type | UnionType] = {"text": str | None, "flag": bool | None, "object": object}
"""What a field of a kind normally holds."""

_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class SocrataFeed:
    """The records of a dataset of `city`, from its portal. Implements `crime_assets.sources.feeds.StampedFeed`.

    `timeout` (seconds) bounds every wait for the portal; `attempts` counts all requests for one answer.
    `scheme` is "http" for a portal on this machine only. `now` must return an aware time.
    """

    city: City
    _: KW_ONLY
    source: Source | None = None
    """The dataset to read; None: the city's newest."""
    app_token: str | None = field(default=None, repr=False)
    scheme: Literal["https", "http"] = "https"
    page_size: int = PAGE_LIMIT
    timeout: float = 60.0
    attempts: int = 6
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = _utc_now

    name = "socrata"

    def __post_init__(self) -> None:
        if not 1 <= self.page_size <= PAGE_LIMIT:
            raise ValueError(f"page_size must be from 1 to {PAGE_LIMIT}, not {self.page_size}")
        # An error of requests repeats a header that it cannot send: a secret would end up in the log.
        if self.app_token and not _TOKEN.fullmatch(self.app_token):
            raise UsageError("SOCRATA_APP_TOKEN has a character that no token has: copy it from the portal again.")

    @property
    def dataset(self) -> str:
        """The id of the dataset."""
        return (self.source or self.city.sources[-1]).dataset

    @property
    def occurrence_field(self) -> str:
        """The dataset's field with the day of occurrence."""
        there = self.source.fields if self.source else frozenset[str]()
        return self.city.occurrence_in(there) or self.city.occurrence_field

    def columns(self) -> frozenset[str]:
        """Field names in the dataset's metadata, without the portal's own (those that start with a colon)."""
        with self._portal() as portal:
            named = self._ask(partial(portal.get_metadata, self.dataset), field_names)
        return named - self.city.load_stamps

    def latest_day(self) -> date:
        """Yesterday by the city's clock: today's changes are still coming."""
        return self.city.today(self.now()) - _ONE_DAY

    def changes(self, first: date, last: date) -> Iterator[Record]:
        """See Feed. All records come a second time if the portal's count shows that they changed during the pull."""
        return chain.from_iterable(self._pages(self._between(first, last)))

    def count(self, first: date, last: date) -> int:
        """See Feed."""
        with self._portal() as portal:
            return self._count(portal, self._between(first, last))

    def total(self) -> None:
        """See Feed."""

    def undated(self) -> int:
        """See Feed."""
        with self._portal() as portal:
            return self._count(portal, f"{self.city.change_field} IS NULL")

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        """See Feed."""
        changed = self.city.change_field
        old = f"({changed} < {literal(midnight(before))} OR {changed} IS NULL)"
        yield self.parts(old, f"{self.city.domain} {self.dataset} {before}")

    def parts(self, window: str, source: str) -> History:
        """The records of the window. A part is a month of occurrence, or what has no time of occurrence.

        A column that the city's description does not know is a text.
        """
        kinds = self._kinds()
        windows = {str(month): self._occurred_in(month) for month in self._months(window)}

        def read(part: str) -> pa.Table:
            read = list(self._read(f"{window} AND {windows[part]}", kinds))
            return pa.Table.from_batches(read, _arrow_schema(kinds))

        return History(source, list(windows), read)

    def tables(self, window: str) -> Iterator[pa.Table]:
        """The records of the window as tables like the parts of a history, a page each."""
        return (pa.Table.from_batches([page]) for page in self._read(window, self._kinds()))

    def updated_at(self) -> int:
        """When the portal last changed rows of the dataset, in seconds since 1970."""
        with self._portal() as portal:
            return self._ask(partial(portal.get_metadata, self.dataset), rows_updated_at)

    def _read(self, window: str, kinds: dict[str, Kind]) -> Iterator[pa.RecordBatch]:
        schema = _arrow_schema(kinds)
        for page in self._pages(window):
            yield pa.RecordBatch.from_pylist([self._row(record, kinds) for record in page], schema)

    def month_stamps(self, until: date) -> dict[date | None, Stamps]:
        """See Feed. The portal splits the stamps into parts and sums them, because it has no digest of rows."""
        found: dict[date | None, Stamps] = {}
        for month, stamps in self._months(self._up_to(until), _SUMS).items():
            known = month if month and _OLDEST <= month < _AFTER_ALL else None
            found[known] = found.get(known, Stamps()).plus(stamps)
        return found

    def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
        """See Feed. A month's records come twice if the portal's count shows that they changed during the pull."""
        occurred = self.occurrence_field
        oldest, after = literal(midnight(_OLDEST)), literal(midnight(_AFTER_ALL))
        for month in months:
            window = self._occurred_in(month)
            if month is None:
                window = f"({window} OR {occurred} < {oldest} OR {occurred} >= {after})"
            yield from chain.from_iterable(self._pages(f"{self._up_to(until)} AND {window}"))

    def present(self, ids: Collection[int]) -> set[int]:
        """See Feed. They are asked for as the portal writes numbers: without leading zeros."""
        wanted = sorted(ids)
        found: set[int] = set()
        with self._portal() as portal:
            for start in range(0, len(wanted), _IDS_AT_ONCE):
                found |= self._present(portal, wanted[start : start + _IDS_AT_ONCE])
        return found

    def _present(self, portal: Any, wanted: list[int]) -> set[int]:
        key = self.city.key_field
        # Quoted, the portal reads them as the column's type: text or number.
        listed = ", ".join(literal(str(wanted_id)) for wanted_id in wanted)
        question = partial(portal.get, self.dataset, select=key, where=f"{key} IN ({listed})", limit=PAGE_LIMIT)
        return self._ask(question, partial(known_ids, field=key, asked=wanted))

    def _months(self, window: str, sums: Mapping[str, str] = MappingProxyType({})) -> dict[date | None, Stamps]:
        """What records of the window occurred in each month, counted and with these sums of parts of their stamps; None
        for those that have no time of occurrence.
        """
        month = f"date_trunc_ym({self.occurrence_field})"
        parts = [f"sum({function}({self.city.change_field})) AS {name}" for name, function in sums.items()]
        with self._portal() as portal:
            ask = partial(
                portal.get,
                self.dataset,
                select=", ".join([f"{month} AS month", "count(*) AS n", *parts]),
                where=window,
                group=month,
                limit=PAGE_LIMIT,
            )
            found, counted = self._ask(ask, partial(months, sums=tuple(sums))), self._count(portal, window)
        by_month = sum(stamps.records for stamps in found.values())
        # Records that are edited in between leave the window: fewer may be counted, never more.
        if by_month < counted:
            raise FeedError(
                f"{self.city.domain} counts {counted} records of {self.dataset} but {by_month} by month: a month "
                "would be missing; run again later, it is safe."
            )
        return found

    def _occurred_in(self, month: date | None) -> str:
        occurred = self.occurrence_field
        if month is None:
            return f"{occurred} IS NULL"
        since = f"{occurred} >= {literal(midnight(month))}"
        if month == date.max.replace(day=1):
            return since
        following = (month + timedelta(days=31)).replace(day=1)
        return f"{since} AND {occurred} < {literal(midnight(following))}"

    def _up_to(self, until: date) -> str:
        return f"{self.city.change_field} < {literal(midnight(until + _ONE_DAY))}"

    def _between(self, first: date, last: date) -> str:
        changed = self.city.change_field
        since, until = literal(midnight(first)), literal(midnight(last + _ONE_DAY))
        return f"{changed} >= {since} AND {changed} < {until}"

    def _pages(self, window: str) -> Iterator[list[Record]]:
        """All records of the window, a page at a time; FeedError at the end if they are not all.

        Counting after the pull, not before, also finds rows that came in behind the last page.
        """
        with self._portal() as portal:
            for _ in range(2):
                pulled = yield from self._pull(portal, window)
                counted = self._count(portal, window)
                if pulled == counted:
                    return
                _log.warning("Pulled %d records where %s counts %d.", pulled, self.city.domain, counted)
        raise FeedError(
            f"{self.city.domain} counts {counted} records of {self.dataset} but gave {pulled}, twice: "
            "the pull is incomplete; run again later, it is safe."
        )

    def _pull(self, portal: Any, window: str) -> Generator[list[Record], None, int]:
        """Pages by row id, the only stable order and without ties after a bulk re-stamp; returns the row count."""
        pulled, last = 0, ""
        ends: set[str] = set()
        while True:
            where = f"({window})" if not last else f"({window}) AND :id > {literal(last)}"
            question = partial(portal.get, self.dataset, select=":*, *", where=where, order=":id", limit=self.page_size)
            page = self._ask(question, records)
            ids = [self._row_id(record) for record in page]
            distinct = set(ids)
            if len(ids) > self.page_size or len(distinct) < len(ids) or ends & distinct:
                raise FeedError(
                    f"{self.city.domain} does not page {self.dataset} as asked (a page too long or with rows "
                    "that came before): nothing pulled so far can be called complete; run again later."
                )
            yield [self._own_fields(record) for record in page]
            del page  # before the next one comes: a page is a few hundred MB
            pulled += len(ids)
            if len(ids) < self.page_size:
                return pulled
            last = ids[-1]
            ends.add(last)

    def _own_fields(self, record: Record) -> Record:
        left_out = self.city.load_stamps
        return {name: value for name, value in record.items() if not name.startswith(":") and name not in left_out}

    def _count(self, portal: Any, window: str) -> int:
        return self._ask(partial(portal.get, self.dataset, select="count(*) AS n", where=window), number)

    def _row_id(self, record: Record) -> str:
        row_id = record.get(":id")
        if not isinstance(row_id, str) or not _ROW_ID.fullmatch(row_id):
            raise FeedError(
                f"{self.city.domain} gives a record of {self.dataset} without a row id that can be read: "
                "it cannot be paged; see whether the portal still answers SODA 2 with system fields."
            )
        return row_id

    def _kinds(self) -> dict[str, Kind]:
        """Columns of the city's description, then those it does not know, by name."""
        known = self.city.source_columns
        published = self.columns()
        reserved = published & {DAMAGE, RAW}
        if reserved:
            raise FeedError(f"{self.dataset} publishes {', '.join(sorted(reserved))}, which is reserved.")
        return {**known, **dict.fromkeys(sorted(published - known.keys()), "text")}

    def _row(self, record: Record, kinds: dict[str, Kind]) -> Record:
        row: Record = {}
        is_usual = True
        for name, value in record.items():
            if name not in kinds:
                raise FeedError(
                    f"{self.dataset} publishes {self._judge.clean(name)!r}, which its metadata do not list: "
                    "run again and, if that does not help, add it to source_columns in "
                    f"crime_assets/sources/cities/{self.city.name}.py."
                )
            is_usual &= isinstance(value, _TYPES[kinds[name]])
            row[name] = _cell(kinds[name], value)
        return row if is_usual else {**row, RAW: canonical_json(record)}

    @property
    def _judge(self) -> Judge:
        return Judge(self.city, self.dataset, self.app_token)

    @contextmanager
    def _portal(self) -> Iterator[Any]:
        """A separate sodapy client for each pull; every answer is judged before sodapy reads it."""
        # Without a token sodapy logs a warning through the root logger, which sets up logging for everyone.
        with Socrata(self.city.domain, self.app_token or "none", timeout=self.timeout) as portal:
            if not self.app_token:
                del portal.session.headers["X-App-Token"]
            portal.uri_prefix = f"{self.scheme}://"
            portal.session.hooks["response"].append(self._judge.judge)
            yield portal

    def _ask(self, question: Callable[[], object], read: Callable[[object], T]) -> T:
        try:
            return patiently(lambda: read(self._answer(question)), self.city.domain, self.attempts, self.sleep)
        except TransientError as error:
            raise FeedUnavailable(
                f"{self.city.domain} gave no usable answer in {self.attempts} attempts (the last: {error}): "
                "run again later, it is safe."
            ) from error
        except (requests.RequestException, ValueError, RecursionError) as error:
            raise FeedError(
                f"{self.city.domain} cannot be read ({type(error).__name__}): check domain and dataset in "
                f"crime_assets/sources/cities/{self.city.name}.py."
            ) from error

    def _answer(self, question: Callable[[], object]) -> object:
        try:
            return question()
        except _CUT_SHORT as error:
            raise TransientError("its answer was cut short or garbled") from error
        except requests.Timeout as error:
            raise TransientError(f"it was silent for {self.timeout:g} s") from error
        except requests.ConnectionError as error:
            raise TransientError("the connection failed") from error


def open_feed(city: City, app_token: str | None, now: Callable[[], datetime]) -> StampedFeed | PublishedFeed:
    """What reads the city's datasets."""
    from crime_assets.sources.feeds.socrata_publications import SocrataPublications

    portal = SocrataFeed(city, app_token=app_token, now=now)
    return portal if city.change_field else SocrataPublications(portal)


def midnight(day: date) -> str:
    """The beginning of a day, as the portal writes it."""
    return f"{day.isoformat()}T00:00:00"


def literal(text: str) -> str:
    """A SoQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _arrow_schema(kinds: dict[str, Kind]) -> pa.Schema:
    text, as_json = partial(pa.field, type=pa.string()), partial(pa.field, type=pa.string(), metadata={"json": "true"})
    fields = [text(name) if kind == "text" else as_json(name) for name, kind in kinds.items()]
    return pa.schema([*fields, text(DAMAGE), text(RAW)])


def _cell(kind: Kind, value: object) -> str | None:
    """A value as its column holds it: an object as JSON, anything else as the text with which it is delivered."""
    if value is None:
        return None
    if kind != "object" and isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # JSON can hold a lone surrogate, Arrow and UTF-8 cannot; the digests treat it the same way.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
