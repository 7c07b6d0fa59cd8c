"""Pictures and their legends tell nothing about hidden numbers, and nothing false about the others."""

from __future__ import annotations

import random
from xml.etree import ElementTree

import pytest

from crime_assets.publishing.charts.heat import heat
from crime_assets.publishing.charts.lines import Point, line
from crime_assets.publishing.charts.maps import Area, draw
from crime_assets.publishing.charts.scales import SEQUENTIAL, classes

SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(f"{SVG}{tag}"))


def legend(svg: str) -> dict[str, str]:
    """Color → what the legend says of it."""
    swatches = [found for found in drawn(svg, "rect") if found.get("width") == "12"]
    texts = [found.text or "" for found in drawn(svg, "text") if found.get("font-size") == "11"]
    return {str(swatch.get("fill")): said for swatch, said in zip(swatches, texts, strict=True)}


def holds(said: str, value: int) -> bool:
    low, _, high = said.replace(",", "").partition("-")
    return int(low) <= value <= int(high or low)


def lowest(said: str) -> int:
    return int(said.replace(",", "").partition("-")[0])


@pytest.mark.parametrize("seed", range(10))
def test_a_color_stands_for_the_numbers_that_its_legend_names(seed: int) -> None:
    """And no entry of the legend names a number below the smallest one shown, such as those that are hidden."""
    chance = random.Random(seed)
    counts = [chance.choice((None, 0, chance.randint(5, 9), chance.randint(5, 3_000))) for _ in range(24)]
    svg = heat("Hours", ["Mon"], [str(n) for n in range(24)], {("Mon", str(n)): v for n, v in enumerate(counts)})
    said = legend(svg)
    cells = [str(found.get("fill")) for found in drawn(svg, "rect")][1:25]
    for value, color in zip(counts, cells, strict=True):
        assert said[color] == "not shown" if value is None else holds(said[color], value)
    shown = [value for value in counts if value]
    assert min(lowest(said[color]) for color in SEQUENTIAL if color in said) == min(shown)


def test_a_hidden_area_has_the_hatching_of_the_legend_and_no_other_has() -> None:
    square = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
    svg = draw("Map", [Area("A", [square], None), Area("B", [square], 7), Area("C", [square], 0)], classes([7.0]))
    fills = [found.get("fill") for found in drawn(svg, "path")]
    assert [legend(svg)[str(fill)] for fill in fills] == ["not shown", "7", "0"]


def test_a_hidden_point_of_a_line_is_a_hatched_strip() -> None:
    svg = line("Trend", [Point("a", 9), Point("b", None), Point("c", 9), Point("d", 0)])
    (pattern,) = drawn(svg, "pattern")
    strips = [found for found in drawn(svg, "rect") if found.get("fill") == f"url(#{pattern.get('id')})"]
    assert [found.findtext(f"{SVG}title") for found in strips] == ["b: not shown", None]
    left, width = (float(strips[0].get(name, "")) for name in ("x", "width"))
    assert left + width / 2 == pytest.approx(56 + (720 - 56 - 16) / 3, abs=0.02)


def test_a_line_without_hidden_points_says_nothing_of_them() -> None:
    svg = line("Trend", [Point("a", 9), Point("b", 0)])
    assert drawn(svg, "pattern") == []
    assert "not shown" not in svg
