"""What SQL cannot compute. Nothing here knows Dagster, or where tables are."""
