"""Prints statements that make the view cities.city_crimes over the tables of several cities, one a line.

For Athena. The view is made again, by the same statements, when a city is added or the program is renewed.
"""

import argparse
import sys

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.engines.athena_cities import cities_view

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cities", nargs="+", help="the cities whose tables are there, as in CRIME_CITIES")
    options = parser.parse_args()
    try:
        for statement in cities_view(options.cities):
            print(" ".join(statement.split()))
    except CrimeAssetsError as error:
        sys.exit(str(error))
