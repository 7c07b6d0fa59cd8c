"""Dagster, and nothing else is: assets, checks, automation, and where steps are done. No logic worth a unit test."""
