"""The plugin by which dbt-duckdb reads the lake; profiles.yml names this module. Only dbt imports it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.invocation import get_invocation_id

from crime_assets.profiles import Settings, open_profile
from crime_assets.publishing.dbt.pinned import pin
from crime_assets.publishing.dbt.raw import check_open


# The type checker has none of dbt's packages: they do not go with those of the tests.
class Plugin(BasePlugin):  # type: ignore[misc]
    """Views of the lake in dbt's database: made once a run, before any node asks, so that all see one state.

    `home` of its configuration says where the lake is; everything else is said by the variables of the environment.
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Remember where the lake is: what may be read there is decided by each run."""
        self._home = Path(plugin_config["home"]).expanduser().absolute()
        self._run = ""
        self._lock = threading.Lock()

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Make the views with the first cursor of a run. UsageError where a policy says who may see what.

        A process can run dbt more than once, and keeps this plugin.
        """
        with self._lock:
            if self._run == get_invocation_id():
                return
            settings = replace(Settings.from_environment(), home=self._home)
            check_open(settings)
            pin(open_profile(settings), cursor)
            self._run = get_invocation_id()
