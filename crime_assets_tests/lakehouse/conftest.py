"""Fixtures of the lakehouse."""

from pathlib import Path

import pytest

from crime_assets.lakehouse.place.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A directory in which no lake has begun."""
    return Lake(tmp_path / "lake")
