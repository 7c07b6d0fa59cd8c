"""Forecasts of where crimes are reported, beside what plain counts say, and scores of both. No Dagster, no Iceberg.

A day is a number here, of days since 1970. Cells are those of one study area, by their position in it.
"""

from __future__ import annotations

RELEASE = 1
"""Changes when anything is computed otherwise: scores of old windows are then made again."""
HORIZONS = (7, 28, 90)
"""Days ahead."""
SHARES = (1.0, 2.0, 5.0)
"""Percent of the area that are flagged."""
STEP = 28
"""Days between the windows that models learn from, and between those that a verdict counts."""
MOST_WINDOWS, FEWEST_WINDOWS = 24, 8
"""Of finished windows that models learn from."""
MOST_REPLAYED = 36
"""Days of a lake with history that are replayed: more windows make a verdict surer, older ones say less of today."""
FEWEST_ORIGINS = 24
"""Finished windows without which there is no verdict."""
HISTORY_DAYS = 90
"""Of records, without which a window is none to learn from."""
MOST_DAYS_WITHOUT = 28
"""Days in a row without a record in the city; after more, the history begins anew."""
JUDGED = 12
"""Newest finished windows by which counts are tuned, and intervals are widened."""
