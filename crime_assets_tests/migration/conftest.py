"""Fixtures of the migration's tests."""

from crime_assets_tests.migration.servers import postgres_legacy

__all__ = ["postgres_legacy"]
