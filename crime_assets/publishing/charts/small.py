"""The small chart of an insight, as its header asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.core.insights import Chart
from crime_assets.publishing.charts.bars import bars
from crime_assets.publishing.charts.heat import heat
from crime_assets.publishing.charts.lines import Point, line

MOST_BARS = 12
"""Most bars in a chart: the first rows of the table matter most."""


_TOOLTIP = re.compile("<title>.*?</title>")


def small_chart(chart: Chart, rows: pa.Table) -> str:
    """The picture as SVG, without tooltips: nobody can point at parts of an image."""
    for name, value in chart.where:
        rows = rows.filter(pc.equal(pc.cast(rows.column(name), pa.string()), value))
    if chart.kind == "bars":
        rows = rows.slice(0, MOST_BARS)
    return _TOOLTIP.sub("", _drawn(chart, rows.to_pylist()))


def _drawn(chart: Chart, shown: Sequence[Mapping[str, object]]) -> str:
    title = " by ".join(name.replace("_", " ") for name in (chart.columns[-1], *chart.columns[:-1]))
    where = ", ".join(value for _, value in chart.where)
    title = f"{title[0].upper()}{title[1:]}{f' ({where})' if where else ''}"
    match chart.kind:
        case "bars":
            label, value = chart.columns
            return bars(title, [_text(row[label]) for row in shown], [_number(row[value]) for row in shown])
        case "line":
            along, value = chart.columns
            return line(title, [Point(_text(row[along]), _number(row[value]), None, _is_settled(row)) for row in shown])
        case _:
            down, across, value = chart.columns
            cells = {(_text(row[down]), _text(row[across])): _number(row[value]) for row in shown}
            return heat(title, _in_order(shown, down), _in_order(shown, across), cells)


def _is_settled(row: Mapping[str, object]) -> bool:
    return not row.get("unsettled")


def _in_order(rows: Sequence[Mapping[str, object]], name: str) -> list[str]:
    return list(dict.fromkeys(_text(row[name]) for row in rows))


def _text(value: object) -> str:
    return "not recorded" if value is None else str(value)


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))
