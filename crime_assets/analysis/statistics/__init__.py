"""The part of an insight that SQL cannot compute: one module each, with `table(rows)`, which gives the insight's table.

`rows` are the rows of the insight's statement. Everything here is a pure function of them: random draws are seeded.
"""

from __future__ import annotations

import importlib
import pkgutil

import pyarrow as pa

from crime_assets.core.errors import UsageError
from crime_assets.core.insights import Insight


def finished(insight: Insight, rows: pa.Table) -> pa.Table:
    """The insight's table from the rows of its statement. UsageError if there is no such module."""
    made = rows if insight.python is None else _made(insight, insight.python, rows)
    return made.drop_columns(list(insight.left_out)) if insight.left_out else made


def _made(insight: Insight, python: str, rows: pa.Table) -> pa.Table:
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if python not in modules:
        raise UsageError(f"The insight {insight.name} asks for @python {python}: there are {', '.join(modules)}.")
    found: pa.Table = importlib.import_module(f"{__name__}.{python}").table(rows)
    return found
