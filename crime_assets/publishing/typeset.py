"""Pictures as PNG, and documents as PDF, by Typst: a typesetter in one Python package, without a browser or a network.

What is put in is data and never markup: Typst is handed texts and draws them as they are.
"""

from __future__ import annotations

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
