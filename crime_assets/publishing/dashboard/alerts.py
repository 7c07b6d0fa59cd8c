"""An alert of live reports, as the stream's rules raise it and as a person reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

RULES = {
    "surge": "Surge",
    "near_repeats": "Near repeats",
    "repeat_address": "Repeated place",
    "watch_list": "Watch list",
    "major_head": "Major crime",
    "silent_station": "Silent station",
    "duplicates": "Reported twice",
}
"""Rule → its name for people; of another one its own name is shown."""

_CELL = re.compile(r"-?[0-9]{1,7}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_SILENT = "silent_station"
_TEXTS = ("rule", "title", "subject", "district", "window", "window_start", "raised_at")
_MOST_REVISIONS = 1_000_000
_LONGEST = 200
"""Characters of a text that are shown."""
_HOURS = {"hour": 1, "block": 6}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert in one of its revisions, of which the greatest counts. `at_least` reports, where the rule counts some.

    Before, in `periods` like the one that the `window` tells the length of, there were `before`.
    """

    id: str
    revision: int
    rule: str
    title: str
    subject: str
    district: str
    window: str
    window_start: str
    raised_at: str
    at_least: int | None = None
    before: int | None = None
    periods: int | None = None
    lat: float | None = None
    lon: float | None = None


def document(content: bytes) -> dict[str, Any]:
    """A JSON object, all of whose texts can be written. ValueError if it is none."""
    try:
        found = json.loads(content)
        if b"\\u" in content:
            # What json.loads makes of lone surrogates cannot be sent to anybody.
            found = json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"))
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def moment(text: str) -> datetime | None:
    """A moment, if the text is one that is on the clock of every zone; UTC if it does not say."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not datetime.min.year < found.year < datetime.max.year:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def read_alert(line: bytes) -> Alert:
    """The alert of a line. ValueError if it is none."""
    told = document(line)
    if not isinstance(told.get("alert_id"), str) or not _ID.fullmatch(told["alert_id"]):
        raise ValueError("no alert_id")
    revision = told.get("revision")
    if type(revision) is not int or not 1 <= revision <= _MOST_REVISIONS:
        raise ValueError("no revision")
    fields: dict[str, Any] = {name: _text(told, name) for name in _TEXTS}
    fields |= {"at_least": _whole(told, "at_least"), "before": _whole(told, "before_reports")}
    fields |= {"periods": _whole(told, "periods"), "lat": _degrees(told, "lat"), "lon": _degrees(told, "lon")}
    return Alert(told["alert_id"], revision, **fields)


def shown(alert: Alert, zone: str) -> dict[str, Any]:
    """What the page shows of an alert; times are those of the stream's zone."""
    has_place = alert.lat is not None and alert.lon is not None
    is_withdrawn = alert.rule == _SILENT and alert.revision > 1
    return {
        "id": alert.id,
        "revision": alert.revision,
        "rule": alert.rule,
        "name": RULES.get(alert.rule, alert.rule),
        "title": alert.title,
        "subject": _subject(alert),
        "district": alert.district,
        "said": "Withdrawn: reports of that time came late." if is_withdrawn else _said(alert),
        "is_withdrawn": is_withdrawn,
        "raised_at": alert.raised_at,
        "raised": local_time(alert.raised_at, zone),
        "place": [alert.lat, alert.lon] if has_place else None,
    }


def local_time(text: str, zone: str) -> str:
    """A moment on the clock of a zone, to the second; as it is, if it is none."""
    found = moment(text)
    return f"{found.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}" if found else text


def _subject(alert: Alert) -> str:
    """What an alert is about, in words; cells are numbers, and said by the alert's place."""
    parts = alert.subject.split("|")
    words = [part for part in parts if not _CELL.fullmatch(part)]
    has_cell = len(words) < len(parts) and alert.lat is not None and alert.lon is not None
    return ", ".join([*words, f"at {alert.lat:.3f}, {alert.lon:.3f}"] if has_cell else parts)


def _said(alert: Alert) -> str:
    counts = []
    # One report is what it is about.
    if alert.at_least is not None and alert.window != "fir":
        one = "No report" if alert.at_least == 0 else f"{alert.at_least:,} or more reports"
        counts.append("A report" if alert.at_least == 1 else one)
    if alert.before is not None and alert.periods:
        counts.append(f"{alert.before:,} in {alert.periods:,} such times before")
    when = _when(alert)
    said = "; ".join([*counts, *([when] if when else [])])
    return f"{said[0].upper()}{said[1:]}." if said else ""


def _when(alert: Alert) -> str:
    """The window in words. Its start has the offset of the zone, so it is that zone's clock."""
    start = moment(alert.window_start)
    if start is None:
        return ""
    if alert.window == "day":
        return f"on {start:%Y-%m-%d}"
    if alert.window in _HOURS:
        end = start + timedelta(hours=_HOURS[alert.window])
        return f"from {start:%Y-%m-%d %H:%M} to {end:%H:%M}"
    return f"registered {start:%Y-%m-%d %H:%M}"


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return "" if value is None else str(value)[:_LONGEST]


def _whole(told: Mapping[str, Any], name: str) -> int | None:
    value = told.get(name)
    return value if type(value) is int else None


def _degrees(told: Mapping[str, Any], name: str) -> float | None:
    value = told.get(name)
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 180 else None
    )
