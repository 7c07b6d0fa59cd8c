"""Pictures as PNG, and documents as PDF, by Typst: a typesetter in one Python package, without a browser or network.

Input is always data, never markup: Typst gets texts and draws them as they are, whatever they contain.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.resources import files

import typst

from crime_assets.core.errors import CrimeAssetsError

_PICTURE = b"""\
#set page(width: auto, height: auto, margin: 0pt)
#image(bytes(sys.inputs.svg), format: "svg")
"""
_HOUSE = (files("crime_assets.publishing") / "house.typ").read_bytes()
_PIXELS_AN_INCH = 192.0
_MISSING = "\ufffd"
_NO_LETTERS = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
"""Unicode categories of characters that are invisible or look different on each machine: controls, direction marks,
unassigned and private codes, lone surrogates."""
_BLANKS = "\t\n\r"
_NOT_EVERYWHERE = re.compile("[^\t\n\r\u0020-\u007e\u00a0-\u024f\u2010-\u2027\u221a\u25a0-\u25ff\ufffd]")
"""All except Latin letters, dashes, quotes, the root sign and shapes, which are in the fonts that Typst includes."""


def png(svg: str) -> bytes:
    """One of our pictures as PNG, with at least two pixels per unit."""
    try:
        found = typst.compile(_PICTURE, format="png", ppi=_PIXELS_AN_INCH, sys_inputs={"svg": svg})
    except typst.TypstError as error:
        raise CrimeAssetsError(f"The picture cannot be made as PNG ({error}): use the SVG instead.") from error
    assert isinstance(found, bytes)  # noqa: S101 - one page gives one picture
    return found


def pdf(template: bytes, contents: Mapping[str, object], made_at: datetime) -> bytes:
    """One of our documents as PDF/UA-1: with a title, tags, and a description of every picture.

    The template stands after house.typ, which reads `contents`. The same contents give the same bytes, wherever the
    same fonts are. PDF/UA-1 has no letter that cannot be displayed: where no font here has one of `contents`, a sign
    stands for it and for all others that are not in Typst's own fonts. CrimeAssetsError where that is not enough.
    """
    texts = json.loads(json.dumps(contents, default=str))
    try:
        return _compiled(template, _mapped(texts, _readable), made_at)
    except typst.TypstError:
        try:
            return _compiled(template, _mapped(texts, lambda text: _NOT_EVERYWHERE.sub(_MISSING, text)), made_at)
        except typst.TypstError as error:
            raise CrimeAssetsError(f"The PDF cannot be made ({error}): read the HTML page instead.") from error


def _compiled(template: bytes, contents: object, made_at: datetime) -> bytes:
    found = typst.compile(
        _HOUSE + template,
        format="pdf",
        sys_inputs={"data": json.dumps(contents)},
        pdf_standards="ua-1",
        timestamp=made_at,
    )
    assert isinstance(found, bytes)  # noqa: S101 - a PDF is one file
    return found


def _readable(text: str) -> str:
    return "".join(
        _MISSING if unicodedata.category(sign) in _NO_LETTERS and sign not in _BLANKS else sign for sign in text
    )


def _mapped(contents: object, change: Callable[[str], str]) -> object:
    """The same contents with every text changed."""
    match contents:
        case str():
            return change(contents)
        case list():
            return [_mapped(one, change) for one in contents]
        case dict():
            return {name: _mapped(one, change) for name, one in contents.items()}
    return contents
