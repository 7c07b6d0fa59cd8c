"""What a principal may read where an engine of the catalog enforces the policy itself: Lake Formation, Trino.

Such an engine filters rows and leaves out columns. It makes no gate: it cannot mask with a key, and it computes no
insight anew. What a role has beyond that is left out, and said; so is where the engine does not keep to the policy:
nothing in a grant says of which day somebody may ask.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from crime_assets.analysis.made import insights_of
from crime_assets.core.errors import UsageError
from crime_assets.governance.filters import columns_of
from crime_assets.governance.masks import Mask
from crime_assets.governance.policy import ALERTS, AUDITS, CITY_INSIGHTS, INSIGHTS, Policy, Principal
from crime_assets.governance.scopes import Scope, scope_of
from crime_assets.lakehouse.writing.governed import namespace_of
from crime_assets.sources import cities


@dataclass(frozen=True)
class Grant:
    """A table, the columns of it that are seen, and the rows: a condition of the policy, or all if it is empty.

    `hidden` are its other columns; `masks` are those that the engine applies.
    """

    database: str
    table: str
    columns: tuple[str, ...]
    hidden: tuple[str, ...]
    rows: str = ""
    masks: Mapping[str, Mask] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """All that a principal reads: grants, or everything; and, a sentence each, how that differs from a gate."""

    grants: tuple[Grant, ...]
    left_out: tuple[str, ...] = ()
    is_everything: bool = False


def masked_table(role: str) -> str:
    """The table of `namespace_of` that has crimes as a role sees them: its columns under their names, masked values."""
    return f"crimes_{role}"


def reading_of(policy: Policy, principal: Principal, types: Mapping[str, str], own_masks: Collection[str]) -> Reading:
    """What a principal reads; `types` are the columns of `crimes` and their Iceberg types.

    `own_masks` are the kinds of masks that the engine applies itself: for others there is a masked table. UsageError if
    the rows depend on a column that is masked in it.
    """
    role = policy.roles[principal.role]
    left_out = tuple(_left_out(policy, principal))
    if role.is_unrestricted:
        return Reading((), left_out, is_everything=True)
    scope = scope_of(policy, principal, types)
    grants = []
    if "crimes" in role.tables:
        grants.append(_crimes(policy, scope, types, own_masks))
    if INSIGHTS in role.tables and not role.rows:
        grants += _insights(policy, scope)
    return Reading(tuple(grants), (*left_out, *_of_days(policy, principal, grants)))


def _crimes(policy: Policy, scope: Scope, types: Mapping[str, str], own_masks: Collection[str]) -> Grant:
    rows = policy.roles[scope.role].rows
    masks = {name: mask for name, mask in scope.columns.items() if mask is not None}
    hidden = tuple(name for name in types if name not in scope.columns)
    if all(mask.kind in own_masks for mask in masks.values()):
        return Grant(policy.city, "crimes", tuple(scope.columns), hidden, rows, masks)
    if unfit := sorted(columns_of(rows) & masks.keys()):
        raise UsageError(
            f"roles.{scope.role}.rows compares {unfit[0]}, which the role sees masked: its masked table has no such "
            "values, so compare another column."
        )
    return Grant(namespace_of(policy.city), masked_table(scope.role), tuple(scope.columns), hidden, rows)


def _insights(policy: Policy, scope: Scope) -> Iterator[Grant]:
    for insight in insights_of(cities.get(policy.city)):
        if seen := scope.columns_of(insight):
            hidden = tuple(column.name for column in insight.columns if column.name not in seen)
            yield Grant(policy.city, insight.table, seen, hidden)


def _of_days(policy: Policy, principal: Principal, grants: Collection[Grant]) -> Iterator[str]:
    """What becomes of the role's `as_of`: it can neither be given nor taken away."""
    name, is_allowed = principal.name, policy.roles[principal.role].as_of
    unmasked = {one.table for one in grants if one.database == policy.city}
    crimes, insights = "crimes" in unmasked, bool(unmasked - {"crimes"})
    if is_allowed:
        yield (
            f"{name} may ask of earlier days (as_of), and is not answered as a gate of the day would: the engine has "
            f"earlier snapshots of crimes, {'until upkeep drops them' if crimes else 'and none of a masked table'}."
        )
    elif crimes or insights:
        seen = [
            *(["snapshots of crimes that upkeep still keeps"] if crimes else []),
            *(["insights"] if insights else []),
        ]
        yield f"{name} sees earlier days without as_of: {' and '.join(seen)}, which no grant limits to today's."


def _left_out(policy: Policy, principal: Principal) -> Iterator[str]:
    role = policy.roles[principal.role]
    if INSIGHTS in role.tables and role.rows:
        yield f"{principal.name} gets no insights: they are of the whole city, and none is computed anew for its rows."
    if "crimes_superseded" in role.tables:
        yield (
            f"{principal.name} does not get crimes_superseded: it also has versions of crimes that the source removed, "
            "which no filter of columns tells apart."
        )
    if role.purpose_required:
        yield f"{principal.name} is not asked for a purpose: the engine has no place for it."
    for name in sorted({CITY_INSIGHTS, *AUDITS, ALERTS} & role.tables):
        yield f"{principal.name} does not get {name}: no table of the catalog has it."
