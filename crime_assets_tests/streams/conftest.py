"""Fixtures of the streams."""

from pathlib import Path

import pytest

from crime_assets_tests.streams.landings import Landing, in_bucket, in_directory


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.slow)])
def landing(request: pytest.FixtureRequest, tmp_path: Path) -> Landing:
    """An empty store of each kind."""
    if request.param == "directory":
        return in_directory(tmp_path)
    return in_bucket(request.getfixturevalue("aws"), request.getfixturevalue("landing_bucket"))
