"""What the assets share: owners, groups, and how tables are described and previewed in the UI."""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.profiles import Profile

if TYPE_CHECKING:
    from crime_assets.governance.access import Access

OWNERS = ["team:data-engineering"]
POOL = "lake"
"""Steps that write tables share a pool, one slot in a deployment: a lake has one writer, whichever city it is for."""
PREVIEW_ROWS = 10

# The policy is marked as beta in this release, and every use of it would cause a warning.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

TOGETHER = dg.BackfillPolicy.single_run()
"""A range of days is one run."""

FOLLOWS = (
    dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
)
"""Makes every day that the upstream assets gain, late ones too, unless a blocking check failed."""


def days_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """The change days of the run, in order."""
    return sorted(date.fromisoformat(key) for key in context.partition_keys)


def table_schema(columns: Iterable[tuple[str, str, str]]) -> dg.TableSchema:
    """Column metadata from (name, type, meaning)."""
    return dg.TableSchema(columns=[dg.TableColumn(name=n, type=t, description=d) for n, t, d in columns])


def column_lineage(key: dg.AssetKey, sources: Mapping[str, Iterable[str]]) -> dg.TableColumnLineage:
    """Column lineage: column → columns of the one upstream asset that it is computed from."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=key, column_name=name) for name in names]
            for column, names in sources.items()
        }
    )


def access_of(profile: Profile) -> Access:
    """Who may see what, for what is in the graph only where there is a policy."""
    if profile.access is None:
        raise CrimeAssetsError("There is no policy any more: set CRIME_POLICY to it, and start again.")
    return profile.access


def rows_shown(profile: Profile, shown: Mapping[str, dg.MetadataValue]) -> dict[str, dg.MetadataValue]:
    """Metadata that shows rows, or figures of districts: none where a policy says who may see which."""
    return dict(shown) if profile.settings.policy is None else {}


def preview(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """The first rows as a table that reads well in the UI."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows[:PREVIEW_ROWS]]
    return dg.MetadataValue.md("\n".join(lines))


def preview_of(rows: Sequence[Mapping[str, object]]) -> dg.MarkdownMetadataValue:
    """The same for rows that name their columns."""
    return preview(list(rows[0]) if rows else ["no rows"], [list(row.values()) for row in rows])


def chart_of(svg: str) -> dg.MarkdownMetadataValue:
    """A picture for the UI: an image embedded in the metadata."""
    return dg.MetadataValue.md(f"![chart](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})")


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:,.3f}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "\\|").split())[:80]
