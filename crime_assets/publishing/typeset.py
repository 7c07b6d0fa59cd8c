"""Pictures as PNG, and documents as PDF, by Typst: a typesetter in one Python package, without a browser or a network.

What is put in is data and never markup: Typst is handed texts and draws them as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

import typst

_PICTURE = b"""\
#set page(width: auto, height: auto, margin: 0pt)
#image(bytes(sys.inputs.svg), format: "svg")
"""
_PIXELS_AN_INCH = 192.0


def png(svg: str) -> bytes:
    """A picture of ours as PNG, two pixels for each of its units and more."""
    found = typst.compile(_PICTURE, format="png", ppi=_PIXELS_AN_INCH, sys_inputs={"svg": svg})
    assert isinstance(found, bytes)  # noqa: S101 - one page gives one picture
    return found


def pdf(template: bytes, contents: Mapping[str, object], made_at: datetime) -> bytes:
    """A document of ours as PDF/UA-1: with a title, tags, and a description of every picture.

    The template finds `contents` as JSON in `sys.inputs.data`. The same contents give the same bytes, wherever the
    same fonts are.
    """
    found = typst.compile(
        template,
        format="pdf",
        sys_inputs={"data": json.dumps(contents, default=str)},
        pdf_standards="ua-1",
        timestamp=made_at,
    )
    assert isinstance(found, bytes)  # noqa: S101 - a PDF is one file
    return found
