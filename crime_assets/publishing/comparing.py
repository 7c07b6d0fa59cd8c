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
    """A count and an earlier one. `late` are records that may still come to the count, None where that is not known.

    `z` and `flag` are those of insight_compstat: 2(√crimes - √before), and 1 for a rise, -1 for a fall, else 0.
    """

    crimes: int
    before: int
    z: float
    flag: int
    late: float | None = None


def in_words(found: Comparison | None) -> str:
    """What the comparison means; None is one that cannot be made."""
    if found is None:
        return "nothing to compare"
    is_few = max(found.crimes, found.before) < FEWEST
    if found.flag:
        way = "more" if found.flag > 0 else "fewer"
        return f"{way}, but too few to be sure" if is_few else f"{way} than chance explains"
    if found.z <= -CHANCE_Z and _may_close(found):
        return "fewer so far; late records may close the gap"
    if is_few:
        return "too few to tell"
    if abs(found.z) < CHANCE_Z:
        return "about as before"
    return f"somewhat {'more' if found.z > 0 else 'fewer'}; it may be chance"


def _may_close(found: Comparison) -> bool:
    """Whether late records may undo a fall. One that would be flagged otherwise is not, for that reason alone."""
    if found.z <= -FLAG_Z:
        return True
    with_late = 2 * (math.sqrt(found.crimes + (found.late or 0)) - math.sqrt(found.before))
    return with_late > -CHANCE_Z
