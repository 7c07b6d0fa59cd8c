"""Prints statements that make external tables over the deliveries and over portal exports in CSV, one a line.

For Athena, Hive or Spark on EMR; sql/athena has examples of what to ask then.
"""

import argparse
import sys

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.engines.athena_external import external_tables

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("landing", help="what CRIME_LANDING says")
    parser.add_argument("exports", help="an s3:// prefix with CSV files")
    options = parser.parse_args()
    try:
        for statement in external_tables(options.landing, options.exports):
            print(" ".join(statement.split()))
    except CrimeAssetsError as error:
        sys.exit(str(error))
