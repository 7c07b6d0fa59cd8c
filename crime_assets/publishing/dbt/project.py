"""`crime-assets dbt init`: a dbt project in a directory, or its sources again in one that has it.

What the sources say is in `sources`, the models are in sql/dbt, pages in templates. Only what is made from the lake is
written a second time: everything else belongs to whoever works with the project.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from crime_assets.core.errors import UsageError
from crime_assets.core.sql import SQL_DIRECTORY
from crime_assets.profiles import Profile
from crime_assets.publishing.dbt.raw import check_open
from crime_assets.publishing.dbt.sources import Document, crimes_columns, exposures, sources

NAME = "crimes"

_MARK = "# Made by `crime-assets dbt init`, which makes it again: what is changed here by hand is lost.\n"
_SOURCES = "models/sources.yml"
_TEMPLATES = Path(__file__).with_name("templates")
_MODELS = {"stg_crimes": "staging", "crimes_by_month": "marts"}
_STAGED = "id occurred_at occurred_on month hour offense_class is_index updated_on".split()
"""What stg_crimes.sql selects: columns that are never NULL, so that every city has them."""
_SETTINGS = {
    "TimeZone": "UTC",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "1536MB",
}
"""Those of the lake's own connections."""


def init(profile: Profile, directory: Path) -> list[str]:
    """Write a project, or in one of ours its sources and exposures again; the names of what was written.

    UsageError where dbt may not read the lake, or if the directory holds something else.
    """
    check_open(profile.settings)
    is_ours = _is_ours(directory)
    if not is_ours and directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(
            f"{directory} is neither empty nor a project of `crime-assets dbt init`: give a directory that is new."
        )
    # The mark of a project comes last: one that is written half is not taken for ours.
    written = {**({} if is_ours else dict(_of_the_user(profile))), **_of_the_lake(profile)}
    for name, text in written.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(written)


def _is_ours(directory: Path) -> bool:
    path = directory / _SOURCES
    return path.is_file() and path.read_text(encoding="utf-8", errors="replace").startswith(_MARK)


def _of_the_lake(profile: Profile) -> Mapping[str, str]:
    return {
        "models/exposures.yml": _MARK + _yaml(exposures(profile.city)),
        _SOURCES: _MARK + _yaml(sources(profile.lake, profile.city, profile.settings.cities)),
    }


def _of_the_user(profile: Profile) -> Iterator[tuple[str, str]]:
    yield "dbt_project.yml", _yaml(_project(profile))
    yield "profiles.yml", _yaml(_profiles(profile))
    yield "README.md", (_TEMPLATES / "README.md").read_text(encoding="utf-8")
    yield ".gitignore", f"/target/\n/logs/\n/{NAME}.duckdb*\n"
    yield "models/models.yml", _yaml(_models(profile))
    for model, kind in _MODELS.items():
        yield f"models/{kind}/{model}.sql", (SQL_DIRECTORY / "dbt" / f"{model}.sql").read_text(encoding="utf-8")


def _project(profile: Profile) -> Document:
    return {
        "name": NAME,
        "profile": NAME,
        "model-paths": ["models"],
        "vars": {"city": profile.city.name},
        # Who selects models runs their own tests, not those of all that they read.
        "flags": {"send_anonymous_usage_stats": False, "indirect_selection": "cautious"},
        "models": {NAME: {"staging": {"+materialized": "view"}, "marts": {"+materialized": "table"}}},
    }


def _profiles(profile: Profile) -> Document:
    home = str(profile.settings.home)
    plugin = {
        "module": "crime_assets.publishing.dbt.plugin",
        "alias": "lake",
        "config": {"home": "{{ env_var('CRIME_HOME', " + repr(home) + ") }}"},
    }
    lake = {
        "type": "duckdb",
        "path": f"{NAME}.duckdb",
        "threads": 1,
        "plugins": [plugin],
        "settings": _SETTINGS,
    }
    return {NAME: {"target": "lake", "outputs": {"lake": lake}}}


def _models(profile: Profile) -> Document:
    """The models of sql/dbt described; the contract has the types that the lake has."""
    by_name = {column["name"]: column for column in crimes_columns(profile.lake, profile.city)}
    staged = [by_name[name] for name in _STAGED]
    not_null: Document = {"data_tests": ["not_null"]}
    counted = {"name": "crimes", "description": "Records that occurred in the month."}
    return {
        "version": 2,
        "models": [
            {
                "name": "stg_crimes",
                "description": "Crimes as models build on them, one row each: what every city has.",
                "config": {"contract": {"enforced": True}},
                "columns": staged,
            },
            {
                "name": "crimes_by_month",
                "description": "Crimes by class of months that had ended by the last complete day.",
                "data_tests": [{"unique": {"arguments": {"column_name": "(month, offense_class)"}}}],
                "columns": [{**by_name[name], **not_null} for name in ("month", "offense_class")]
                + [counted | not_null],
            },
        ],
    }


def _yaml(document: Document) -> str:
    # As a copy in which nothing is there twice: what is would be written as a reference to where it was first.
    text: str = yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, allow_unicode=True, width=120)
    return text
