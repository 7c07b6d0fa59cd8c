"""A made-up state's reports in the order in which a stream takes them, with planted patterns and everyday faults.

`stations` says where and how often, `reports` what is written down, `people` the names in it, `planted` which patterns
there are, `faults` what goes wrong. The same seed gives the same bytes, however many hours are made at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import orjson

from crime_assets.incidents.masking import Hasher, keyed, masked, plate_ref
from crime_assets.incidents.sample.faults import NO_FAULTS, REASONS, Faults, poisoned
from crime_assets.incidents.sample.planted import PLATES, WATCHED_FROM, patterns
from crime_assets.incidents.sample.reports import Report, Version, Writer
from crime_assets.incidents.times import DAY, HOUR, Calendar
from crime_assets.sources.feeds.sample.draws import Draws

__all__ = ["NO_FAULTS", "SAMPLE_KEY", "Faults", "SampleReports", "Sent", "Watched"]

SAMPLE_KEY = b"a made-up state needs no secrets"
_MILLION = 1_000_000
_START = datetime(1970, 1, 1, tzinfo=UTC)
_VERSIONS = 5
"""More than a report has; they are numbered from 1."""
_HASHED = keyed(SAMPLE_KEY)


class Sent(NamedTuple):
    """A message as the stream takes it: `key` is the partition key, `fault` why it is no report, if it is none."""

    arrived_at: datetime
    key: str
    data: bytes
    fault: str = ""


class Watched(NamedTuple):
    """The reference of a number plate that is watched for, from one moment until another."""

    ref: str
    begins: datetime
    ends: datetime


class _Pending(NamedTuple):
    """A message on its way, in the order of its arrival (microseconds since 1970)."""

    arrived_us: int
    report: int
    version: int
    copy: int
    key: str
    data: bytes
    fault: str


@dataclass(frozen=True)
class SampleReports:
    """Reports of so many weeks from the local midnight before `first`; what would come later than that is left out.

    `rate_a_week` is what the whole state registers in a week, on average; `hashed` masks people and plates.
    """

    seed: int
    first: datetime
    weeks: int
    rate_a_week: float
    planted: bool = True
    faults: Faults = field(default_factory=Faults)
    flood: bool = False
    zone: str = "Asia/Kolkata"
    hashed: Hasher = _HASHED

    @cached_property
    def begins(self) -> int:
        """The first moment, seconds since 1970."""
        return int(self._calendar.begins(self._calendar.day(self.first.timestamp()), DAY).timestamp())

    @property
    def ends(self) -> int:
        """The moment after the last, seconds since 1970."""
        return self.begins + self.weeks * 7 * DAY

    def watched(self) -> tuple[Watched, ...]:
        """What the planted plates are watched for."""
        end = _moment(self.ends * _MILLION)
        return tuple(
            Watched(plate_ref(plate, self.hashed), _moment((self.begins + day * DAY) * _MILLION), end)
            for plate, day in zip(PLATES, WATCHED_FROM, strict=True)
        )

    def written(self, hours_at_once: int = 24) -> Iterator[list[Report]]:
        """Full reports, with names, by time: a list for each of so many hours. None of this may leave a station."""
        planted = patterns(self.weeks, flood=self.flood) if self.planted else []
        writer = Writer(self.seed, self.begins, self.rate_a_week, self._calendar, planted, self.faults)
        hours = self.weeks * 7 * DAY // HOUR
        for first in range(0, hours, hours_at_once):
            yield list(writer.reports(first, min(hours_at_once, hours - first)))

    def records(self, hours_at_once: int = 24) -> Iterator[Sent]:
        """All messages in the order of arrival."""
        pending: list[_Pending] = []
        for nth, reports in enumerate(self.written(hours_at_once)):
            pending += self._messages(reports)
            pending.sort()
            until = (self.begins + (nth + 1) * hours_at_once * HOUR) * _MILLION
            # Whatever is registered later comes later.
            ready = next((place for place, one in enumerate(pending) if one.arrived_us >= until), len(pending))
            for one in pending[:ready]:
                yield Sent(_moment(one.arrived_us), one.key, one.data, one.fault)
            del pending[:ready]

    @cached_property
    def _calendar(self) -> Calendar:
        return Calendar(self.zone)

    def _messages(self, reports: list[Report]) -> Iterator[_Pending]:
        keys = np.array([report.key for report in reports], dtype=np.int64)
        draws = Draws(self.seed, np.repeat(keys, _VERSIONS) ^ np.tile(np.arange(_VERSIONS) << 50, len(keys)))
        columns = [draws.uniform(what).tolist() for what in ("fate", "delay", "again", "wait", "poison", "sent")]
        drawn = list(zip(*columns, strict=True))
        for nth, report in enumerate(reports):
            for number, version in enumerate(report.versions, 1):
                yield from self._sent(report, number, version, drawn[nth * _VERSIONS + number])

    def _sent(self, report: Report, number: int, version: Version, drawn: tuple[float, ...]) -> Iterator[_Pending]:
        """A version's message, with its repeats and what is poison beside it."""
        fate, delay, again, wait, poison, lag = drawn
        ends, faults = self.ends * _MILLION, self.faults
        arrived_s = version.at + (_waits(faults, fate, delay) if version.wait is None else version.wait)
        arrived_us = int(arrived_s * 1_000) * 1_000
        if arrived_us >= ends:
            return
        sent_at = report.stamp(arrived_s - lag + report.clock)
        full = report.full | version.changes | {"kind": version.kind, "version": number, "sent_at": sent_at}
        message = masked(full, self.hashed)
        key, data = message["fir_id"], orjson.dumps(message)
        yield _Pending(arrived_us, report.key, number, 0, key, data, "")
        if again < faults.repeats and (second := arrived_us + 1_000 + int(wait * 5_400_000) * 1_000) < ends:
            yield _Pending(second, report.key, number, 1, key, data, "")
        if number == 1 and poison < faults.poison and "place" in message:
            yield self._poison(report, message, arrived_us, wait)

    def _poison(self, report: Report, message: dict[str, Any], arrived_us: int, wait: float) -> _Pending:
        reason = REASONS[int(wait * len(REASONS))]
        data = poisoned(reason, message, arrived_us / _MILLION, report.stamp)
        return _Pending(arrived_us, report.key, 1, 2, message["fir_id"], data, reason)


def _waits(faults: Faults, fate: float, delay: float) -> float:
    """Seconds from writing to arriving, by two uniform draws."""
    if fate < faults.beyond:
        return HOUR + 60 + 29 * HOUR * delay
    if fate < faults.beyond + faults.late:
        return 60 + 58 * 60 * delay
    return 1 + 39 * delay * delay


def _moment(microseconds: int) -> datetime:
    return _START + timedelta(microseconds=microseconds)
