"""For which cities there are forecasts; the others say what they do not publish."""

from crime_assets.analysis.forecasts.made import is_made_for, why_not
from crime_assets.sources import cities


def test_chicago_has_forecasts_and_who_publishes_less_says_why_not():
    assert is_made_for(cities.get("chicago"))
    assert why_not(cities.get("chicago")) == ""
    for name in ("new_york", "san_francisco", "los_angeles", "washington"):
        city = cities.get(name)
        assert not is_made_for(city)
        assert why_not(city).startswith(f"No forecasts are made for {city.title}: it does not publish ")
    assert "coordinates that are near the place" in why_not(cities.get("san_francisco"))
