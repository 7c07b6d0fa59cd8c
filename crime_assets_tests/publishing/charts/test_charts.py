"""Pictures: well-formed SVG that says the numbers it was given, whatever texts it was given."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from crime_assets.core.insights import Chart
from crime_assets.publishing.charts.bars import bars
from crime_assets.publishing.charts.heat import heat
from crime_assets.publishing.charts.lines import Point, line
from crime_assets.publishing.charts.maps import Area, Dot, draw
from crime_assets.publishing.charts.scales import BACKGROUND, NOTHING, SEQUENTIAL, Classes, classes, number, ticks
from crime_assets.publishing.charts.small import small_chart
from crime_assets.publishing.charts.svg import framed
from crime_assets.publishing.typeset import png

HOSTILE = '<script>alert("1")</script> & \'"'
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [found.text or "" for found in parsed(svg).iter(f"{SVG}text")]


def said(svg: str) -> list[str]:
    return [found.text or "" for found in parsed(svg).iter(f"{SVG}title")][1:]


def fills(svg: str, tag: str) -> list[str | None]:
    return [found.get("fill") for found in parsed(svg).iter(f"{SVG}{tag}")]


def pattern(svg: str) -> ElementTree.Element:
    """The hatching of what is hidden."""
    (found,) = parsed(svg).iter(f"{SVG}pattern")
    return found


def test_bars_are_as_long_as_their_values() -> None:
    svg = bars("Crimes", ["a", "b", "c"], [10, 40, 0])
    widths = [float(found.get("width") or 0) for found in parsed(svg).iter(f"{SVG}rect")][1:]
    assert widths[1] == pytest.approx(4 * widths[0], abs=0.02)
    assert widths[2] == 0
    assert texts(svg) == ["a", "10", "b", "40", "c", "0"]


def test_bars_below_zero_go_to_the_left_and_have_another_color() -> None:
    svg = bars("Change", ["a", "b"], [-20, 10])
    _, down, up = parsed(svg).iter(f"{SVG}rect")
    assert float(down.get("x") or 0) + float(down.get("width") or 0) == pytest.approx(float(up.get("x") or 0))
    assert down.get("fill") != up.get("fill")
    assert texts(svg)[1::2] == ["-20", "+10"]


@pytest.mark.parametrize("values", [[], [None], [None, None], [0], [-5], [1e9, 3], [0.25]])
def test_bars_of_anything(values: list[float | None]) -> None:
    svg = bars("Crimes", [f"{n}" for n in range(len(values))], values)
    assert ("not shown" in " ".join(texts(svg))) == (None in values)


def test_hidden_values_are_never_zero() -> None:
    assert "not shown" in texts(bars("Crimes", ["a"], [None]))
    svg = heat("Hours", ["Mon"], ["0", "1"], {("Mon", "0"): None, ("Mon", "1"): 7})
    hatching, few = fills(svg, "rect")[1:3]
    assert (hatching, few) == (f"url(#{pattern(svg).get('id')})", SEQUENTIAL[0])
    assert said(svg) == ["Mon, 0: not shown", "Mon, 1: 7"]


def test_what_is_missing_from_a_heat_map_is_nothing() -> None:
    svg = heat("Hours", ["Mon"], ["0", "1"], {("Mon", "1"): 7})
    assert fills(svg, "rect")[1] == NOTHING


def test_a_line_goes_through_its_points_and_shades_what_is_not_settled() -> None:
    points = [Point("a", 50), Point("b", 100), Point("c", 25, 100, is_settled=False)]
    svg = line("Trend", points)
    known, expected = (found.get("d") or "" for found in parsed(svg).iter(f"{SVG}path"))
    heights = [float(y) for y in re.findall(r",([0-9.]+)", known)]
    assert heights[1] < heights[0] < heights[2]
    assert [float(y) for y in re.findall(r",([0-9.]+)", expected)] == [heights[1], heights[1]]
    assert "still filling up" in texts(svg)
    assert said(svg)[-1] == "c: 25, about 100 expected when all is known"


def test_a_hidden_point_interrupts_the_line() -> None:
    svg = line("Trend", [Point("a", 5), Point("b", 6), Point("c", None), Point("d", 7), Point("e", 8)])
    assert len(list(parsed(svg).iter(f"{SVG}path"))) == 2


@pytest.mark.parametrize("points", [[], [Point("a", None)], [Point("a", 0)], [Point("a", 3, 4, is_settled=False)]])
def test_a_line_of_anything(points: list[Point]) -> None:
    parsed(line("Trend", points))


SQUARE = [(-87.7, 41.8), (-87.6, 41.8), (-87.6, 41.9), (-87.7, 41.9)]
OTHER = [(longitude + 0.1, latitude) for longitude, latitude in SQUARE]


def test_areas_have_the_color_of_their_number_and_lead_on() -> None:
    steps = classes([10.0, 100.0])
    svg = draw("Map", [Area("A", [SQUARE], 10, "/?a=1&b=2"), Area("B", [OTHER], 100), Area("C", [OTHER], None)], steps)
    assert fills(svg, "path") == [SEQUENTIAL[0], steps.color(100), f"url(#{pattern(svg).get('id')})"]
    (link,) = parsed(svg).iter(f"{SVG}a")
    assert link.get("href") == "/?a=1&b=2"
    assert link.get("aria-label") == "A: 10"
    assert said(svg) == ["A: 10", "B: 100", "C: not shown"]


def test_a_label_lies_on_its_area() -> None:
    """That of an area like a C, whose center of gravity is in its opening, stands on its back."""
    around = [(0.0, 0.0), (3.0, 0.0), (3.0, 0.5), (1.0, 0.5), (1.0, 2.5), (3.0, 2.5), (3.0, 3.0), (0.0, 3.0)]
    svg = draw("Map", [Area("District 4", [around], 900.0, label="4")], classes([900.0]))
    (label,) = (found for found in parsed(svg).iter(f"{SVG}text") if found.text == "4")
    (shape,) = (found for found in parsed(svg).iter(f"{SVG}path"))
    corners = [tuple(map(float, point.split())) for point in re.split("[ML]", str(shape.get("d")).rstrip("Z"))[1:]]
    assert corners[0][0] < float(label.get("x", "")) < corners[3][0]


def test_a_map_is_true_to_shape() -> None:
    """A degree of longitude is shorter than one of latitude, by the cosine of the latitude."""
    path = next(parsed(draw("Map", [Area("A", [SQUARE], 1)], classes([1.0]))).iter(f"{SVG}path")).get("d") or ""
    corners = [tuple(map(float, pair.split())) for pair in re.findall(r"[ML]([0-9.]+ [0-9.]+)", path)]
    width, height = corners[1][0] - corners[0][0], corners[0][1] - corners[2][1]
    assert width / height == pytest.approx(0.745, abs=0.003)


def test_a_background_has_no_value() -> None:
    """It is drawn first, and "0" means nothing where it is."""
    areas = [Area("A", [SQUARE], 7), Area("B", [OTHER], None, label="B", is_background=True)]
    svg = draw("Map", areas, classes([7.0]))
    assert fills(svg, "path") == [BACKGROUND, SEQUENTIAL[0]]
    assert said(svg) == ["A: 7"]
    assert texts(svg) == ["B", "7", "not shown"]


def test_pictures_of_one_page_do_not_share_a_hatching() -> None:
    svgs = [heat(title, ["Mon"], ["0"], {("Mon", "0"): None}) for title in ("Hours", "Days")]
    assert len({pattern(svg).get("id") for svg in svgs}) == 2


# Advance widths of DejaVu Sans, the widest font that pictures name, in thousandths of its size.
WIDTHS = {",": 318, "-": 361, " ": 318, "t": 392, "o": 612, "f": 352, "e": 615, "w": 818}


@pytest.mark.parametrize("largest", [9, 950, 9_500, 95_000, 950_000, 9_500_000, 95_000_000])
@pytest.mark.parametrize("kind", ["map", "heat"])
def test_a_legend_s_texts_lie_apart_and_inside(kind: str, largest: int) -> None:
    values = [float(largest * step // 60) for step in range(1, 61)]
    if kind == "map":
        svg = draw("Map", [Area("A", [SQUARE], value) for value in values], classes(values))
    else:
        svg = heat("Hours", ["Mon"], ["0"] * 60, {("Mon", f"{number}"): value for number, value in enumerate(values)})
    width, height = float(parsed(svg).get("width") or 0), float(parsed(svg).get("height") or 0)
    shown = [found for found in parsed(svg).iter(f"{SVG}text") if found.get("font-size") == "11"]
    places: list[tuple[float, float, float]] = []
    for found in shown:
        words = sum(WIDTHS.get(letter, 636) for letter in found.text or "") * 11 / 1000
        left = float(found.get("x") or 0)
        places.append((float(found.get("y") or 0), left - 16, left + words))
    assert [found.text for found in shown][:: len(shown) - 1] == ["0", "not shown"]
    for (y, _, right), (next_y, next_left, _) in pairwise(places):
        assert next_y >= y + 12 or (next_y == y and next_left > right + 4)
    assert max(right for _, _, right in places) <= width
    assert max(y for y, _, _ in places) <= height - 4


def test_colors_differ_in_gray_and_texts_can_be_read_on_them() -> None:
    """By the contrast of WCAG 2, which knows no hue."""
    for paler, darker in pairwise([NOTHING, *SEQUENTIAL]):
        assert contrast(paler, darker) >= 1.25
    steps = Classes(tuple(range(1, len(SEQUENTIAL) + 1)))
    for value in steps.upper:
        assert contrast(steps.color(value), steps.ink(value)) >= 4.5
        assert contrast(steps.color(value), steps.outline(value)) >= 1.9


def contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_a_map_of_nothing_says_so() -> None:
    assert texts(draw("Map", [], classes([]))) == ["There is no place to draw here."]
    parsed(draw("Map", [], classes([]), [Dot("a", -87.7, 41.8, 0)]))


def test_a_frame_says_what_a_picture_shows_and_has_no_links() -> None:
    around = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0)]
    title = f"Crimes of <A> & B, {'a long title, ' * 12}end"
    drawn = framed(draw(title, [Area("District 1", [around], 3.0, link="/?district=1")], classes([3.0])), "From here.")
    root = ElementTree.fromstring(drawn)
    said = [element.text or "" for element in root if element.tag == f"{SVG}text"]
    assert " ".join(said) == f"{title} From here."
    assert len(said) > 2
    (inner,) = root.findall(f"{SVG}svg")
    tops = [float(element.get("y", "")) for element in root.findall(f"{SVG}text")]
    assert max(tops[:-1]) <= float(inner.get("y", "")) <= tops[-1] - float(inner.get("height", ""))
    assert tops[-1] < float(root.get("height", ""))
    assert "href" not in drawn
    assert png(drawn)


def test_texts_of_the_feed_stay_texts() -> None:
    pictures = [
        bars(HOSTILE, [HOSTILE], [1]),
        heat(HOSTILE, [HOSTILE], [HOSTILE], {(HOSTILE, HOSTILE): 1}),
        line(HOSTILE, [Point(HOSTILE, 1)]),
        draw(HOSTILE, [Area(HOSTILE, [SQUARE], 1, HOSTILE, label=HOSTILE)], classes([1.0])),
    ]
    for svg in pictures:
        assert not list(parsed(svg).iter(f"{SVG}script"))
        assert "<script" not in svg
        assert parsed(svg).get("aria-label") == HOSTILE


def test_what_xml_does_not_know_costs_no_picture() -> None:
    title = "A\0\x07\x1f\x85\x9b\u202e\ufeff\ufffe\uffff\U0001f697\U0010ffffB\t"
    odd = f"{title}\ud800"
    pictures = [
        bars(title, [odd], [1]),
        heat(title, [odd], [odd], {(odd, odd): 1}),
        line(title, [Point(odd, 1)]),
        draw(title, [Area(odd, [SQUARE], 1, odd, label=odd)], classes([1.0]), [Dot(odd, -87.6, 41.8, 1)]),
    ]
    sign = "\ufffd"
    drawn = f"A{3 * sign}\x85\x9b\u202e\ufeff{2 * sign}\U0001f697\U0010ffffB"
    for svg in pictures:
        assert parsed(svg).findtext(f"{SVG}title") == f"{drawn}\t"
        assert parsed(svg).get("aria-label") == f"{drawn} ", "XML reads a tab in an attribute as a blank"
        assert png(svg).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("values", "upper"),
    [
        ([], ()),
        ([0, 0], ()),
        ([3], (3.0,)),
        ([1, 2, 3, 4, 5, 6], (1, 2, 3, 4, 5, 6)),
        ([5, 5, 5, 5], (5.0,)),
        ([1234, 8, 95, 612], (8, 95, 620, 1300)),
    ],
)
def test_steps_end_at_round_numbers(values: list[float], upper: tuple[float, ...]) -> None:
    assert classes(values).upper == upper


def test_every_value_has_a_color_and_more_is_never_paler() -> None:
    values = [float(value**2) for value in range(1, 60)]
    colors = [SEQUENTIAL.index(classes(values).color(value)) for value in values]
    assert colors == sorted(colors)
    assert set(colors) == set(range(6))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 100, [0, 50, 100]), (0, 7, [0, 2, 4, 6, 8]), (-3, 9, [-5, 0, 5, 10]), (0, 0, [0, 0.5])],
)
def test_ticks_are_round_and_hold_all(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234567, "1,234,567"), (2.5, "2.5"), (0.12345, "0.123"), (1234.56, "1,234.6")]
)
def test_numbers_as_people_read_them(value: float, text: str) -> None:
    assert number(value) == text


ROWS = [
    {"period": "28d", "district": "001", "hour": 0, "day": 1, "crimes": 5, "unsettled": 0},
    {"period": "28d", "district": None, "hour": 1, "day": 1, "crimes": 9, "unsettled": 1},
    {"period": "all", "district": "002", "hour": 0, "day": 2, "crimes": 70, "unsettled": 0},
]


TABLE = pa.Table.from_pylist(ROWS)


def test_a_small_chart_shows_the_rows_that_are_asked_for() -> None:
    svg = small_chart(Chart("bars", ("district", "crimes"), (("period", "28d"),)), TABLE)
    assert texts(svg) == ["001", "5", "not recorded", "9"]
    assert parsed(svg).get("aria-label") == "Crimes by district (28d)"
    assert said(svg) == []


def test_a_small_chart_of_each_kind() -> None:
    assert "still filling up" in texts(small_chart(Chart("line", ("hour", "crimes"), (("period", "28d"),)), TABLE))
    svg = small_chart(Chart("heat", ("day", "hour", "crimes"), ()), TABLE)
    assert len(fills(svg, "rect")[1:]) >= 4
    parsed(small_chart(Chart("bars", ("district", "crimes"), (("period", "none"),)), TABLE))


def test_steps_of_what_is_no_count_are_not_whole() -> None:
    steps = classes([0.13, 0.53, 1.3, 1.7, 2.4, 9.3], are_whole=False)
    assert steps.upper == (0.13, 0.53, 1.3, 1.7, 2.4, 9.3)
    assert classes([1.234, 123.0], are_whole=False).upper == (1.3, 130.0)
    legend = texts(draw("Map", [Area("A", [SQUARE], 1.5)], steps))
    assert legend == [
        "0",
        "to 0.13",
        "over 0.13 to 0.53",
        "over 0.53 to 1.3",
        "over 1.3 to 1.7",
        "over 1.7 to 2.4",
        "over 2.4 to 9.3",
        "not shown",
    ]
