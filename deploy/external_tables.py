"""Makes external tables over the deliveries and over portal exports in CSV, for questions beside the lake.

.venv/bin/python deploy/external_tables.py LANDING EXPORTS

LANDING is what CRIME_LANDING says, EXPORTS an s3:// prefix with CSV files. Prints one statement a line, for Athena, Hive
or Spark on EMR; see sql/athena for what to ask then.
"""

import sys

from crime_assets.engines.athena_external import external_tables

if __name__ == "__main__":
    for statement in external_tables(*sys.argv[1:]):
        print(" ".join(statement.split()))
