"""What a count beside an earlier one means, in plain words instead of a z. Nothing here knows a table or a page."""

from __future__ import annotations

import math
from dataclasses import dataclass

CHANCE_Z = math.sqrt(2)
"""Standard deviation of z between two counts if nothing has changed (the header of insight_compstat)."""
FLAG_Z = 3.0
"""Smallest |z| that insight_compstat flags."""
FEWEST = math.ceil((FLAG_Z / (2 * (math.sqrt(2) - 1))) ** 2)
"""Smallest earlier count at which twice as many would be flagged: 14. Below it hardly any change would stand out."""


@dataclass(frozen=True)
class Comparison:
    """A count and an earlier one, compared like for like; all fields are those of insight_compstat.

    `z` is 2(√crimes - √before); `flag` is 1 for a rise and -1 for a fall however much was known then, else 0; `basis`
    is how the earlier count is known: seen, estimated or unknown.
    """

    crimes: int
    before: int
    z: float
    flag: int
    basis: str = "seen"


def in_words(found: Comparison | None) -> str:
    """What the comparison means; None is one that cannot be made."""
    if found is None:
        return "nothing to compare"
    is_few = max(found.crimes, found.before) < FEWEST
    way = "more" if found.z > 0 else "fewer"
    if found.flag:
        return f"{way}, but too few to be sure" if is_few else f"{way} than chance explains"
    if found.basis == "unknown" and found.z <= -CHANCE_Z:
        return "fewer so far; late records may close the gap"
    if is_few:
        return "too few to tell"
    return _beside_today(found.z) if found.basis == "unknown" else _unflagged(abs(found.z), way)


def _beside_today(z: float) -> str:
    """Not fewer, beside an earlier count as it is known today: records of that had more time to come."""
    if z < CHANCE_Z:
        return "about as many so far; late records may still come"
    return (
        "somewhat more so far; it may be chance" if z < FLAG_Z else "more so far, though late records are still to come"
    )


def _unflagged(z: float, way: str) -> str:
    if z < CHANCE_Z:
        return "about as before"
    return f"somewhat {way}; it may be chance" if z < FLAG_Z else f"{way}, if the estimate of the days before is right"
