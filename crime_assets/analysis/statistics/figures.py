"""How computed figures are put into tables: rounded, because the last bits differ between libraries, and in an order
that gives no small count away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SIGNIFICANT = 6
"""Significant digits kept of a probability, however small it is."""
FEW = 10
"""Smaller counts do not affect the order of rows: where they are hidden, their position would give them away."""


def rounded_probabilities(values: Floats) -> Floats:
    """Each to six significant digits."""
    texts = (np.format_float_scientific(value, precision=SIGNIFICANT - 1, unique=False) for value in values.tolist())
    return np.array([float(text) for text in texts], dtype=np.float64)
