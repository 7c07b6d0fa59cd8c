"""Prints statements that make external tables over deliveries, portal exports and documents, one a line.

For Athena, Hive or Spark on EMR; sql/athena has examples of what to ask then.
"""

import argparse
import sys

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.engines.athena_external import documents_table, external_tables

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("landing", help="what CRIME_LANDING says")
    parser.add_argument("exports", help="an s3:// prefix with CSV files")
    parser.add_argument("documents", nargs="?", help="data/ of one export out of a legacy database, an s3:// prefix")
    options = parser.parse_args()
    try:
        statements = external_tables(options.landing, options.exports)
        if options.documents:
            statements.append(documents_table(options.documents))
        for statement in statements:
            print(" ".join(statement.split()))
    except CrimeAssetsError as error:
        sys.exit(str(error))
