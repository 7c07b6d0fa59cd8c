"""The picture of how often intervals held: marks lie where their shares say, and every share is written out."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from crime_assets.publishing.charts.calibration import calibration

SVG = "{http://www.w3.org/2000/svg}"
ROWS = [
    ("cells", 0.8, 0.91, 24),
    ("cells", 0.95, 0.99, 24),
    ("city", 0.8, 0.8, 1),
    ("city", 0.95, 0.6, 24),
]


def texts(svg: str) -> list[str]:
    return [found.text or "" for found in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_what_held_as_often_as_stated_lies_on_the_diagonal_and_what_held_less_below() -> None:
    root = ElementTree.fromstring(calibration("Held", ROWS))
    (diagonal,) = [line for line in root.iter(f"{SVG}line") if line.get("stroke-dasharray")]
    west, south, east, north = (float(diagonal.get(name) or 0) for name in ("x1", "y1", "x2", "y2"))
    squares = [one for one in root.iter(f"{SVG}rect") if one.get("fill-opacity")]
    (stated, below) = [(float(one.get("x") or 0) + 5, float(one.get("y") or 0) + 5) for one in squares[:2]]
    assert (stated[0] - west) / (east - west) == pytest.approx((south - stated[1]) / (south - north), abs=0.001)
    assert (below[0] - west) / (east - west) > (south - below[1]) / (south - north)
    circles = list(root.iter(f"{SVG}circle"))
    assert float(circles[0].get("cy") or 0) < stated[1]


def test_every_share_is_written_with_its_windows() -> None:
    said = texts(calibration("Held", ROWS))
    assert "80% stated, 91.0% held, 24 windows" in said
    assert "80% stated, 80.0% held, 1 window" in said
    assert said.count("city") == 1
    assert ElementTree.fromstring(calibration("Held", ROWS)).get("aria-label") == "Held"


@pytest.mark.parametrize(
    "rows", [[("a", 0.95, 0.0, 1)], [("a", 1.0, 1.0, 1)], [(f"{n}<", 0.9, 0.95, 2) for n in range(9)]]
)
def test_marks_are_inside_the_picture(rows: list[tuple[str, float, float, int]]) -> None:
    root = ElementTree.fromstring(calibration("Held <&>", rows))
    height = float(root.get("height") or 0)
    places = [float(one.get("y") or 0) for one in root.iter(f"{SVG}text")]
    assert 0 < min(places) < max(places) < height


def test_without_windows_it_says_so() -> None:
    assert texts(calibration("Held", [])) == ["No window is finished yet."]
