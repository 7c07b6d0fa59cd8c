"""The lake: schema, tables, merge, upkeep. The only code that commits to Iceberg."""
