"""Many tests at once: how many of those that look significant may be chance."""

from __future__ import annotations

import numpy as np

from crime_assets.analysis.statistics.figures import Floats


def false_discovery_rates(p_values: Floats) -> Floats:
    """For each test, the share of false positives to expect among the tests with p-values up to its own.

    Benjamini and Hochberg, "Controlling the False Discovery Rate", J. R. Statist. Soc. B 57 (1995).
    """
    order = np.argsort(p_values, kind="stable")
    shares = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    rates = np.empty_like(p_values)
    rates[order] = np.minimum(np.minimum.accumulate(shares[::-1])[::-1], 1.0)
    return rates
