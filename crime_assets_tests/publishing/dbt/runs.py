"""dbt in this process, on a project of `crime-assets dbt init`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

WITHOUT_DBT = "dbt is not installed here: `make test-dbt` runs these tests in an environment that has it"


@dataclass(frozen=True)
class Ran:
    """What came of a run: node → status, and all that was said of failures."""

    success: bool
    statuses: dict[str, str]
    said: str


def dbt(project: Path, *arguments: str, at: Callable[[str], None] = lambda _: None) -> Ran:
    """Run a command of dbt in the project; `at` is called with the name of each node that has ended."""
    from dbt.cli.main import dbtRunner

    def heard(event: Any) -> None:
        if event.info.name == "NodeFinished":
            at(event.data.node_info.node_name)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        done = dbtRunner(callbacks=[heard]).invoke(["--quiet", *arguments, "--profiles-dir", "."])
    results = [] if done.result is None or not hasattr(done.result, "results") else done.result.results
    said = [str(done.exception or ""), *(result.message or "" for result in results)]
    return Ran(
        done.success, {one.node.name: str(one.status) for one in results if hasattr(one, "node")}, "\n".join(said)
    )


def ask(project: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows of what dbt made. dbt may still have it open in this process, as it has between runs."""
    with duckdb.connect(str(project / "crimes.duckdb")) as con:
        return con.execute(query).fetchall()
