"""insights → models of dbt: a code location of its own (workspace-dbt.yaml), for who has set CRIME_DBT to a project."""

import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject, dbt_assets

from crime_assets.core.errors import UsageError
from crime_assets.profiles import Settings
from crime_assets.publishing.dbt.raw import check_open

_MADE = "resource_type:model resource_type:seed resource_type:snapshot"
"""Tests of sources are no part of it: the checks of the assets that they are about have judged them."""
_PLACES = ("models", "macros", "seeds", "snapshots", "tests")


def build(directory: Path) -> dg.Definitions:
    """What the project in a directory makes, each model after the insights that it reads."""
    project = DbtProject(directory)
    dbt = DbtCliResource(project_dir=project, dbt_executable=str(Path(sys.executable).with_name("dbt")))
    if _is_outdated(project.manifest_path, directory):
        dbt.cli(["parse", "--quiet"], target_path=project.target_path).wait()

    # Not its path: Dagster would keep what it read there for as long as this process lives.
    manifest = json.loads(project.manifest_path.read_text(encoding="utf-8"))

    # The type checker has none of dbt's packages: they do not go with those of the tests.
    @dbt_assets(manifest=manifest, project=project, select=_MADE, name="dbt_models")  # type: ignore[untyped-decorator]
    def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[object]:
        yield from dbt.cli(["build"], context=context).stream()

    return dg.Definitions(assets=[models], resources={"dbt": dbt}, executor=dg.in_process_executor)


@dg.definitions
def defs() -> dg.Definitions:
    """The project that the environment names. UsageError where a policy says who may see what."""
    settings = Settings.from_environment()
    check_open(settings)
    if settings.dbt is None or not (settings.dbt / "dbt_project.yml").is_file():
        raise UsageError(
            f"CRIME_DBT is {settings.dbt or 'not set'}: set it to a project that `crime-assets dbt init` wrote."
        )
    return build(settings.dbt)


def _is_outdated(manifest: Path, directory: Path) -> bool:
    """Whether the project has changed since dbt last read it, which takes it some seconds."""
    if not manifest.exists():
        return True
    # Directories, too: one is newer if it has lost a file.
    places = (directory / name for name in _PLACES)
    parts = chain(directory.glob("*.yml"), *((place, *place.rglob("*")) for place in places if place.is_dir()))
    return any(part.stat().st_mtime > manifest.stat().st_mtime for part in parts)
