"""The lake held against its source: what is missing, what is gone."""
