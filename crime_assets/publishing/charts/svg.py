"""SVG as text: elements, escaped attributes and texts, numbers with few decimals.

Whatever a text contains, the picture is well-formed XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape, unescape
from textwrap import wrap

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def element(name: str, *inside: str, **attributes: object) -> str:
    """An element around what is inside, which is SVG already. `_` in attribute names is `-`; None is left out."""
    written = "".join(
        f' {key.strip("_").replace("_", "-")}="{_escaped(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(inside)}</{name}>" if inside else f"<{name}{written}/>"


def text(said: object, x: float, y: float, **attributes: object) -> str:
    """A line of text."""
    return element("text", _escaped(str(said)), x=x, y=y, **attributes)


def tooltip(said: str) -> str:
    """A tooltip for the element that contains it."""
    return element("title", _escaped(said))


def picture(title: str, width: float, height: float, body: Iterable[str], *, is_interactive: bool = False) -> str:
    """A whole picture, as wide as there is room; `title` says what it shows to those who cannot see it.

    To a screen reader, a picture with links is a group of them, any other picture is one image.
    """
    return element(
        "svg",
        tooltip(title),
        element("rect", width=width, height=height, fill="#ffffff"),
        *body,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        width=width,
        height=height,
        role="group" if is_interactive else "img",
        aria_label=title,
        font_family=FONT,
        font_size=12,
        fill=INK,
    )


def framed(svg: str, source: str) -> str:
    """A `picture` with its title above it and its source below, for those who see it elsewhere than on its page."""
    width, height, title = float(_own(svg, "width")), float(_own(svg, "height")), unescape(_own(svg, "aria-label"))
    head, foot = (wrap(said, int(width / _LETTER)) for said in (title, source))
    top = (len(head) + 0.5) * _LINE
    bottom = top + height
    moved = without_links(svg).replace("<svg", f'<svg y="{_value(top)}"', 1)
    body = [*_lines(head, 0, font_weight="bold"), moved, *_lines(foot, bottom, fill=FAINT_INK)]
    return picture(title, width, bottom + (len(foot) + 0.5) * _LINE, body)


def without_links(svg: str) -> str:
    """The same picture for elsewhere: links belong to the page and would lead nowhere."""
    return _LINK.sub(r"<\1g>", svg)


def _own(svg: str, attribute: str) -> str:
    """An attribute of the picture itself: it comes before those of all elements inside."""
    return svg.partition(f' {attribute}="')[2].partition('"')[0]


def _lines(said: Iterable[str], top: float, **attributes: object) -> Iterator[str]:
    for number, one in enumerate(said, start=1):
        yield text(one, _MARGIN, top + number * _LINE, **attributes)


def path(points: Iterable[tuple[float, float]]) -> str:
    """The data of a path along points."""
    return "M" + "L".join(f"{_value(x)},{_value(y)}" for x, y in points)


def shortened(said: str, length: int) -> str:
    """The text, cut to at most `length` characters."""
    return said if len(said) <= length else f"{said[: length - 1].rstrip()}…"


def _escaped(said: str) -> str:
    return escape(_NO_CHARACTER.sub("\ufffd", said))


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


_LINK = re.compile("<(/?)a\\b[^>]*>")
_LETTER, _LINE, _MARGIN = 7.5, 18.0, 8
"""Width of a letter and height of a line of the frame around a picture, and its margin."""

_NO_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even as a reference (its production 2, Char)."""

INK = "#1f2933"
FAINT_INK = "#52606d"
LINE = "#cbd2d9"
