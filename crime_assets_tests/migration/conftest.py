"""Fixtures of the migration's tests."""

from crime_assets_tests.migration.mariadb_server import mariadb_legacy
from crime_assets_tests.migration.servers import postgres_legacy

__all__ = ["mariadb_legacy", "postgres_legacy"]
