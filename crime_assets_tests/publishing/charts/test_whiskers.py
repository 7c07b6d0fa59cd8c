"""Whiskers reach from the low to the high end of their interval, and say both beside zero."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from crime_assets.publishing.charts.whiskers import Whisker, whiskers

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [found.text or "" for found in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_whisker_reaches_over_zero_only_if_its_interval_does() -> None:
    rows = [Whisker("a", 0.04, 0.01, 0.07), Whisker("b", -0.02, -0.06, 0.02)]
    root = ElementTree.fromstring(whiskers("Gain", rows, "the best count"))
    lines = list(root.iter(f"{SVG}line"))
    (zero,) = [float(line.get("x1") or 0) for line in lines if line.get("stroke") == "#1f2933"]
    across = [line for line in lines if line.get("stroke-width") == "2" and line.get("y1") == line.get("y2")]
    above, over = [(float(line.get("x1") or 0), float(line.get("x2") or 0)) for line in across]
    assert zero < above[0] < above[1]
    assert over[0] < zero < over[1]
    assert (above[1] - zero) / (above[0] - zero) == pytest.approx(7, rel=0.01)
    dots = [float(dot.get("cx") or 0) for dot in root.iter(f"{SVG}circle")]
    assert above[0] < dots[0] < above[1]


def test_figures_are_written_with_their_signs() -> None:
    said = texts(whiskers("Gain", [Whisker("a", 0.038, -0.012, 0.088), Whisker("b", 0.0)], "the best count"))
    assert "+3.8% (-1.2% to +8.8%)" in said
    assert "+0.0%" in said
    assert "0 = the best count" in said


def test_what_is_not_shown_has_no_dot() -> None:
    svg = whiskers("Gain", [Whisker("a", None)], "zero")
    assert "not shown" in texts(svg)
    assert list(ElementTree.fromstring(svg).iter(f"{SVG}circle")) == []


@pytest.mark.parametrize(
    "rows",
    [[Whisker("<&>", 0.0, 0.0, 0.0)], [Whisker("a" * 99, -0.9, -1.0, 3.0)], [Whisker("a", 0.0001, -0.0001, 0.0003)]],
)
def test_whiskers_of_anything_are_inside_the_picture(rows: list[Whisker]) -> None:
    root = ElementTree.fromstring(whiskers("Gain", rows, "zero"))
    places = [float(line.get(name) or 0) for line in root.iter(f"{SVG}line") for name in ("x1", "x2")]
    assert 200 < min(places) <= max(places) < float(root.get("width") or 0)


def test_without_rows_it_says_so() -> None:
    assert texts(whiskers("Gain", [], "zero")) == ["There is nothing to compare yet."]
