"""An Iceberg table: how it is planned and committed, how its columns grow, how its data files are read."""
