"""What goes wrong between a station and the stream: repeats, delays, wrong clocks, messages that are no reports.

Patterns that are planted come in time, but for what their module says: it must be certain that they can be found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from crime_assets.incidents.contract import LARGEST, SCHEMA, event_id
from crime_assets.incidents.times import DAY, HOUR, IN_FUTURE

AHEAD_STATION, AHEAD_SECONDS = 55, 3_600
AHEAD_DAYS = (3, 5)
"""The first of the days, counted from the sample's first, on which its clock is ahead, and the first after them."""
BEHIND_STATION, BEHIND_SECONDS = 56, 1_200
"""Its clock is always behind."""


@dataclass(frozen=True)
class Faults:
    """Shares of messages, or of reports where that is said.

    repeats: come once more, the same bytes, up to 90 minutes later. late: 1 to 59 minutes. beyond: 1 to 30 hours.
    amendments, before, cancelled: of reports that are amended later, whose amendment comes first, that are cancelled.
    poison: of reports beside which comes a message that is none. utc: times written with Z. clocks: stations with wrong
    ones, as the module's constants say.
    """

    repeats: float = 0.02
    late: float = 0.02
    beyond: float = 0.003
    amendments: float = 0.05
    before: float = 0.003
    cancelled: float = 0.005
    poison: float = 0.0005
    utc: float = 0.5
    clocks: bool = True

    def clock(self, station: int, at: float) -> int:
        """Seconds by which a station's clock is ahead; `at` in seconds since the sample began."""
        if not self.clocks:
            return 0
        if station == AHEAD_STATION and AHEAD_DAYS[0] * DAY <= at < AHEAD_DAYS[1] * DAY:
            return AHEAD_SECONDS
        return -BEHIND_SECONDS if station == BEHIND_STATION else 0


NO_FAULTS = Faults(0, 0, 0, 0, 0, 0, 0, 0.5, clocks=False)

_Message = dict[str, Any]


def poisoned(reason: str, message: _Message, arrived_s: float, stamp: Callable[[float], str]) -> bytes:
    """A message that is no report, for this reason alone, from one that is; `stamp` writes seconds since 1970."""
    if reason == "not_json":
        data = orjson.dumps(message)
        return data[: len(data) // 2]
    if reason == "registered_in_future":
        return orjson.dumps(message | {"registered_at": stamp(int(arrived_s) + IN_FUTURE + HOUR)})
    return orjson.dumps(_SPOILED[reason](message))


def _renumbered(message: _Message, version: int) -> _Message:
    return message | {"version": version, "event_id": event_id(message["fir_id"], version)}


def _without(message: _Message, name: str) -> _Message:
    return {other: value for other, value in message.items() if other != name}


_SPOILED: dict[str, Callable[[_Message], _Message]] = {
    "too_large": lambda told: told | {"gd_no": "1" * (LARGEST + 1)},
    "not_fir_1": lambda told: told | {"schema": f"{SCHEMA}0"},
    "unknown_field": lambda told: told | {"remarks": "none"},
    "missing:registered_at": lambda told: _without(told, "registered_at"),
    "bad_type:version": lambda told: told | {"version": str(told["version"])},
    "bad_value:kind": lambda told: told | {"kind": "closed"},
    "no_zone": lambda told: told | {"registered_at": told["registered_at"][:19]},
    "event_id_not_of_version": lambda told: told | {"event_id": event_id(told["fir_id"], 99)},
    "version_not_of_kind": lambda told: _renumbered(told, 2),
    "too_precise": lambda told: told | {"place": told["place"] | {"lat": told["place"]["lat"] + 0.00042}},
    "not_coarsened": lambda told: told | {"acts_sections": [{"act": "BNS", "section": "64"}], "is_sensitive": True},
}
REASONS = ("not_json", "registered_in_future", *_SPOILED)
"""Each as quarantine names it."""
