"""Residents: every area of Chicago has them, they add up to the census, and cities without a table have none."""

import pytest

from crime_assets.sources import cities


def test_chicago_has_all_its_areas_and_all_its_residents() -> None:
    city = cities.get("chicago")
    assert sorted(map(int, city.residents)) == list(range(1, 78))
    assert city.comparison is not None
    assert sum(city.residents.values()) == city.comparison.population.residents == 2_746_388
    assert (city.residents["8"], city.residents["54"]) == (105_481, 7_262)


@pytest.mark.parametrize("name", [name for name in cities.names() if name != "chicago"])
def test_a_city_without_a_table_has_none(name: str) -> None:
    assert cities.get(name).residents == {}
