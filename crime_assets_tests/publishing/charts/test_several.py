"""Several lines: each has its own look, is hollow at points of another kind, and ends where nothing is shown."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from crime_assets.publishing.charts.several import Series, several

SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(f"{SVG}{tag}"))


def test_higher_values_lie_higher_and_lines_look_different() -> None:
    svg = several("T", ["a", "b"], [Series("said", [10, 20]), Series("came", [20, 5])])
    said, came, *legend = drawn(svg, "path")
    heights = [[float(y) for y in re.findall(r",([0-9.]+)", one.get("d") or "")] for one in (said, came)]
    assert heights[0][1] == heights[1][0] < heights[0][0] < heights[1][1]
    assert said.get("stroke") != came.get("stroke")
    assert said.get("stroke-dasharray") != came.get("stroke-dasharray")
    assert [one.get("stroke") for one in legend] == [said.get("stroke"), came.get("stroke")]
    assert [one.text for one in drawn(svg, "title")][1:3] == ["a, said: 10", "b, said: 20"]


def test_what_is_of_another_kind_is_hollow() -> None:
    svg = several("T", ["a", "b"], [Series("said", [1, 2], [False, True])])
    hollow, filled = drawn(svg, "circle")
    assert hollow.get("fill") == "#ffffff"
    assert filled.get("fill") == filled.get("stroke") == hollow.get("stroke")


def test_what_is_not_shown_interrupts_its_line() -> None:
    svg = several("T", list("abcde"), [Series("said", [1, 2, None, 3, 4])], lambda value: f"{value:.0%}")
    assert len(drawn(svg, "path")) == 3
    assert len(drawn(svg, "circle")) == 4
    assert "400%" in [one.text for one in drawn(svg, "text")]


def test_nothing_and_a_single_point() -> None:
    assert [one.text for one in drawn(several("T", [], []), "text")] == ["There is nothing to draw yet."]
    assert len(drawn(several("T", ["a"], [Series("s", [0.0])]), "circle")) == 1
