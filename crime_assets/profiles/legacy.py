"""The parts of a migration out of a legacy database. Only what asks for them loads them: they need an extra."""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from crime_assets.core.errors import UsageError
from crime_assets.migration import DocumentStore, LegacyDatabase, Road
from crime_assets.migration.mappings import ALL
from crime_assets.profiles.local import Profile

_DRIVERS = {"postgresql": "psycopg2", "oracle+oracledb": "oracledb", "mariadb": "pymysql"}
_INSTALLED = {
    "psycopg2": "pip install 'crime-assets[legacy]'",
    "oracledb": "pip install 'crime-assets[legacy]'",
    "pymysql": "pip install pymysql",
}


class LegacyRoad:
    """Each part is built when it is first asked for; none of them opens anything."""

    def __init__(self, profile: Profile) -> None:
        """UsageError if no legacy database is set, or what reads it is not installed."""
        address = profile.settings.legacy
        if not address:
            raise UsageError(
                "There is no legacy database: set CRIME_LEGACY to its address, such as postgresql://user@host/database."
            )
        self.scheme = address.partition(":")[0]
        driver = _DRIVERS[self.scheme]
        if find_spec(driver) is None:
            raise UsageError(f"A migration from {self.scheme} needs more packages: run `{_INSTALLED[driver]}`.")
        self._profile = profile

    @cached_property
    def road(self) -> Road:
        """From the database to the documents; LegacyError or UsageError if the address is none that can be read."""
        profile = self._profile
        return Road(
            database=self._database,
            store=self._store,
            landing=profile.landing,
            mappings=ALL,
            city=profile.city.name,
            home=self.home,
            clock=profile.clock,
        )

    @cached_property
    def home(self) -> Path:
        """Where documents lie, on this profile, and files of a migration."""
        home = self._profile.settings.home / "legacy"
        home.mkdir(parents=True, exist_ok=True)
        return home

    @property
    def _database(self) -> LegacyDatabase:
        from crime_assets.migration.addresses import open_database
        from crime_assets.migration.databases.abandoned import PREFIX

        settings = self._profile.settings
        # Two migrations of one database, into two stores, do not take each other's changes.
        slot = PREFIX + hashlib.sha256(self._store.name.encode()).hexdigest()[:8]
        return open_database(settings.legacy, settings.legacy_password, slot, ALL)

    @cached_property
    def _store(self) -> DocumentStore:
        aws = self._profile.settings.aws
        if aws is None:
            from crime_assets.migration.stores.sqlite import SqliteStore

            return SqliteStore(self.home.absolute() / "documents.db")
        from crime_assets.cloud.aws.clients import Clients
        from crime_assets.migration.stores.dynamodb import DynamoStore

        return DynamoStore(Clients(aws.region), aws.documents, ALL)
