"""What a briefing says of the next weeks: only where a model is better, only while it is new, never of a place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.profiles import Profile
from crime_assets.publishing import forecast_tables
from crime_assets.publishing.briefing.expected import expected_of
from crime_assets.publishing.forecasts import Forecasts, write
from crime_assets_tests.build import sample_profile
from crime_assets_tests.publishing.forecasts_made import SUNDAY, put

SENTENCE = (
    "Burglary, next 28 days from 29 Jan, as of 28 Jan: 169 expected (133 to 205); the model finds 3.8% more than "
    "counting."
)
NEXT = SUNDAY + timedelta(days=7)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """A lake in which something was forecast on two Sundays; a model is better on the first only."""
    profile = sample_profile(tmp_path_factory.mktemp("expected") / "lake")
    put(profile, [SUNDAY])
    put(profile, [NEXT], better=False)
    with pytest.MonkeyPatch.context() as patch:
        # Nothing is told of the simulations, and they take time.
        patch.setattr(forecast_tables, "_SEEDS", 1)
        write(profile, SUNDAY)
    return profile


@pytest.fixture
def forecasts(profile: Profile, tmp_path: Path) -> Forecasts:
    return Forecasts(profile.landing, tmp_path)


def test_a_sentence_says_where_a_model_is_better(forecasts: Forecasts) -> None:
    assert expected_of(forecasts, "chicago", SUNDAY, 5) == [SENTENCE]


@pytest.mark.parametrize(("days", "is_told"), [(-1, False), (0, True), (13, True), (14, False)])
def test_it_is_told_for_thirteen_days(forecasts: Forecasts, days: int, is_told: bool) -> None:
    assert bool(expected_of(forecasts, "chicago", SUNDAY + timedelta(days=days), 5)) is is_told


def test_the_newest_forecast_counts(profile: Profile, forecasts: Forecasts) -> None:
    """In that of the next Sunday, counting is as good."""
    write(profile, NEXT)
    try:
        assert expected_of(forecasts, "chicago", NEXT, 5) == []
        assert expected_of(forecasts, "chicago", NEXT - timedelta(days=1), 5) == [SENTENCE]
    finally:
        profile.landing.delete(keys.forecast("chicago", NEXT))


def test_without_a_file_that_can_be_read_there_is_nothing(profile: Profile, forecasts: Forecasts) -> None:
    profile.landing.write(keys.forecast("chicago", NEXT), b"damaged")
    try:
        assert expected_of(forecasts, "chicago", NEXT, 5) == []
        assert expected_of(forecasts, "new_york", SUNDAY, 5) == []
    finally:
        profile.landing.delete(keys.forecast("chicago", NEXT))
