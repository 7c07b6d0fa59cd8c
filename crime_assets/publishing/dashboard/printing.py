"""The view of a choice as PDF: the figures, pictures, tables and caveats of its page, and the address that shows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, time
from importlib.resources import files
from itertools import zip_longest
from typing import Any

import anyio

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.publishing import typeset
from crime_assets.publishing.charts.svg import without_links
from crime_assets.publishing.dashboard.citing import NOT_CLEARANCE
from crime_assets.publishing.dashboard.page import Panel, ShownTable

_TEMPLATE = (files("crime_assets.publishing.dashboard") / "templates" / "view.typ").read_bytes()
_MAP_MM, _PICTURE_MM = 115, 62
_WITH_TABLES = ("map", "types")
"""Pictures beside which their tables fit; those of the others have hundreds of rows."""
_WAIT_SECONDS = 15.0


class Turns:
    """Lets one view after the other be exported, for each takes a processor.

    Whoever waits holds none of the few threads: readers who only look must not wait for many who export at once.
    """

    def __init__(self) -> None:
        self._is_taken = asyncio.Lock()

    @asynccontextmanager
    async def mine(self) -> AsyncIterator[None]:
        """The next turn. CrimeAssetsError if others take theirs all the time."""
        try:
            with anyio.fail_after(_WAIT_SECONDS):
                await self._is_taken.acquire()
        except TimeoutError as error:
            raise CrimeAssetsError("Other views are being exported: try again in a minute.") from error
        try:
            yield
        finally:
            self._is_taken.release()


def pdf_of(page: Mapping[str, Any], address: str) -> bytes:
    """The values of a page, by `page_of`, as PDF/UA."""
    day = page["about"].as_of_day
    contents = {
        "title": f"{page['about'].title} crime: {page['said']}",
        "day": day.isoformat(),
        "address": address,
        "known": _known(page),
        "failing": [
            {"name": one.check.replace("_", " "), "is_blocking": one.is_blocking, "sentence": one.sentence}
            for one in page["failing"]
        ],
        "numbers": [
            {"what": card.what, "value": card.value, "note": then or card.note}
            for card, then in zip_longest(page["cards"], page["cards_then"])
        ],
        "caveats": _caveats(page),
        "places": page["published"].places,
        "beside": _two_days(page["two_days"]),
        "panels": [_panel(panel) for panel in page["panels"]],
        "changes": _table(page["changes"]) if page["published"].has("change_day") else None,
        "warnings": [{"what": what, "how": how} for what, how in page["warnings"]],
        "days_watched": page["days_watched"],
        "blocks": _table(page["blocks"]),
    }
    return typeset.pdf(_TEMPLATE, contents, datetime.combine(day, time(), UTC))


def _known(page: Mapping[str, Any]) -> list[str]:
    """What is known up to when, and how sound it is, in the words of the page."""
    about, share = page["about"], page["completeness"]
    known = f": about {share} of its records are known, as far as can be told" if share else ""
    checks, failing = page["checks"], len(page["failing"])
    passed = f"All {checks} checks passed." if checks else "No check has been run yet."
    return [
        f"Known: what the city had published up to {about.as_of_day}. {about.last_complete_day} is the last complete "
        f"day{known}.",
        f"{failing} of {checks} checks {'fails' if failing == 1 else 'fail'}." if failing else passed,
    ]


def _caveats(page: Mapping[str, Any]) -> list[str]:
    """What to know of the key figures."""
    said = [page["cards"][0].caveat, page["unmapped"], page["published"].lacking]
    said += [NOT_CLEARANCE] if page["published"].has("arrest") else []
    return [one for one in said if one]


def _two_days(found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return found and {**found, "tables": [_table(table) for table in found["tables"] if table.rows]}


def _panel(panel: Panel) -> dict[str, object]:
    return {
        "title": panel.title,
        "days": panel.table.days,
        "meaning": panel.meaning,
        "svg": without_links(panel.picture),
        "height": _MAP_MM if panel.name == "map" else _PICTURE_MM,
        "described": f"{panel.title}, {panel.table.days}",
        "table": _table(panel.table) if panel.name in _WITH_TABLES else None,
    }


def _table(table: ShownTable) -> dict[str, object]:
    return asdict(table)
