"""SVG as text: elements, escaped attributes and texts, numbers without a long tail.

Whatever a text has in it, the picture is well-formed XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

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
    """What is said of the element that it stands in, to those who point at it."""
    return element("title", _escaped(said))


def picture(title: str, width: float, height: float, body: Iterable[str], *, is_interactive: bool = False) -> str:
    """A whole picture, as wide as there is room; `title` says what it shows to those who cannot see it.

    One with links in it is a group of them to a screen reader, any other one image.
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


def path(points: Iterable[tuple[float, float]]) -> str:
    """The data of a path along points."""
    return "M" + "L".join(f"{_value(x)},{_value(y)}" for x, y in points)


def shortened(said: str, length: int) -> str:
    """A text of at most so many characters."""
    return said if len(said) <= length else f"{said[: length - 1].rstrip()}…"


def _escaped(said: str) -> str:
    return escape(_NO_CHARACTER.sub("\ufffd", said))


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


_NO_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even as a reference (its production 2, Char)."""

INK = "#1f2933"
FAINT_INK = "#52606d"
LINE = "#cbd2d9"
