"""How computed figures are put into tables: rounded, as the last bits differ from one library to the next, and in an
order that gives no small count away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SIGNIFICANT = 6
"""Digits kept of a probability, however small it is."""
FEW = 10
"""Smaller counts decide nothing about the order of rows: where they are hidden, their place would give them away."""


def rounded_probabilities(values: Floats) -> Floats:
    """Each to six significant digits."""
    texts = (np.format_float_scientific(value, precision=SIGNIFICANT - 1, unique=False) for value in values.tolist())
    return np.array([float(text) for text in texts], dtype=np.float64)
