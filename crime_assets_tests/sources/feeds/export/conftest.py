"""Fixtures of the export feed."""

from __future__ import annotations

from pathlib import Path

import pytest

from crime_assets_tests.sources.feeds.export.files import Kept


@pytest.fixture(autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    Kept.directory = tmp_path_factory.mktemp("kept")
    return Kept.directory
