"""Lines of the objects in chains: alerts and quarantined messages, whichever engine found them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from crime_assets.incidents.contract import Quarantined
from crime_assets.incidents.rules import COLUMNS, Rule
from crime_assets.incidents.times import BLOCK, DAY, HOUR, Calendar

ALERT = ("rule", *(name for name in COLUMNS if name != "event_id"))
"""Columns of an alert that come from its rule."""
_LENGTHS = {"hour": HOUR, "block": BLOCK, "day": DAY}


class Alerts:
    """Alerts as people are told of them."""

    def __init__(self, rules: Sequence[Rule], calendar: Calendar) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._calendar = calendar

    def line(self, alert: dict[str, Any]) -> bytes:
        """The line of an alert, given as alert_id, the columns of ALERT, event_ids and raised_at."""
        rule = self._rules.get(alert["rule"])
        window = rule.window if rule else ""
        length = _LENGTHS.get(window)
        latitude, longitude = alert.pop("cell_lat"), alert.pop("cell_lon")
        begins = self._calendar.begins(alert["window_number"], length).isoformat() if length else None
        alert |= {"title": rule.title if rule else alert["rule"], "window": window, "window_start": begins}
        alert |= {"lat": latitude and latitude / 1000, "lon": longitude and longitude / 1000}
        alert["raised_at"] = alert["raised_at"].astimezone(UTC).isoformat()
        return json.dumps(alert).encode() + b"\n"


def quarantined_line(one: Quarantined, tick: int) -> bytes:
    """The line of a message that is no report."""
    return json.dumps({**one._asdict(), "arrived_at": one.arrived_at.isoformat(), "tick": tick}).encode() + b"\n"
