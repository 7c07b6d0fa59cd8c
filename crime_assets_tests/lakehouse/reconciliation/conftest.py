"""Fixtures of reconciliation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO


@pytest.fixture
def engine(lake: Lake) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(lake, CHICAGO)
    yield engine
    engine.close()
