"""What a principal may see of the tables as they are: rows, and each column clear, masked or not at all.

Two principals who may see the same have equal scopes, and share a gate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType

from crime_assets.core.errors import UsageError
from crime_assets.core.insights import Insight
from crime_assets.governance.filters import columns_of, duckdb_filter
from crime_assets.governance.masks import PLACE, PLANE, Mask, check_fits
from crime_assets.governance.policy import INSIGHTS, Policy, Principal, Role


@dataclass(frozen=True)
class Scope:
    """Tables, rows as a DuckDB condition, and the columns that are seen: None is clear; what is not named is hidden."""

    role: str
    districts: tuple[str, ...]
    tables: frozenset[str]
    rows: str
    columns: Mapping[str, Mask | None]

    @cached_property
    def digest(self) -> str:
        """Equal for scopes that see the same."""
        columns = {name: str(mask) if mask else "clear" for name, mask in self.columns.items()}
        told = {"tables": sorted(self.tables), "rows": self.rows, "columns": columns}
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    def mask_of(self, *columns: str) -> Mask | None:
        """The mask of the first of the columns that has one."""
        return next((mask for name in columns if (mask := self.columns.get(name)) is not None), None)

    def columns_of(self, insight: Insight) -> tuple[str, ...]:
        """The columns of an insight that are seen: none if one that tells its rows apart is not.

        A column is seen if all that it is computed from is; what is masked is masked before it is computed.
        """
        if INSIGHTS not in self.tables:
            return ()
        seen = [column.name for column in insight.columns if set(column.sources) <= self.columns.keys()]
        return tuple(seen) if set(insight.promises.key) <= set(seen) else ()


def scope_of(policy: Policy, principal: Principal, types: Mapping[str, str]) -> Scope:
    """What a principal sees; `types` are the columns of `crimes` and their Iceberg types.

    UsageError for a role that sees the lake itself: it has no scope.
    """
    role = policy.roles[principal.role]
    if role.is_unrestricted:
        raise UsageError(f"The role {role.name} sees the lake itself: there is nothing to cut out for it.")
    return Scope(
        role.name,
        principal.districts,
        role.tables,
        duckdb_filter(role.rows, principal.districts),
        MappingProxyType(_seen(policy, role, types)),
    )


def check_columns(policy: Policy, types: Mapping[str, str]) -> None:
    """UsageError if the policy names a column that `crimes` does not have, or a mask does not fit one."""
    named = {column for columns in policy.classes.values() for column in columns}
    if unknown := sorted(named - types.keys()):
        raise UsageError(f"The policy has a class for {unknown[0]!r}, which is no column of crimes.")
    for role in policy.roles.values():
        if unknown := sorted(columns_of(role.rows) - types.keys()):
            raise UsageError(f"roles.{role.name}.rows compares {unknown[0]!r}, which is no column of crimes.")
        masks = {name: mask for name, mask in _seen(policy, role, types).items() if mask is not None}
        for name, mask in masks.items():
            try:
                check_fits(mask, name, types[name])
            except UsageError as error:
                raise UsageError(f"roles.{role.name}: {error}") from error
        place = {masks.get(name) for name in PLACE}
        if any(mask and mask.kind == "h3_center" for mask in place) and len(place) > 1:
            raise UsageError(f"roles.{role.name}: one cell stands for latitude and longitude: mask both by the same.")


def _seen(policy: Policy, role: Role, columns: Iterable[str]) -> dict[str, Mask | None]:
    """The columns that a role sees, and their masks."""
    found: dict[str, Mask | None] = {}
    for column in columns:
        kind = policy.class_of(column)
        name = role.masks.get(column, role.masks.get(kind)) if kind is not None else None
        if name is None:
            if kind in role.clear:
                found[column] = None
            continue
        mask = policy.masks[name]
        # A cell stands for the place; the same place in feet would say more.
        if mask.kind != "h3_center" or column not in PLANE:
            found[column] = mask
    return found


def finer_than_masks(scope: Scope) -> list[str]:
    """Columns seen clear that say more of the place than its mask does."""
    masks = [scope.columns.get(name) for name in PLACE]
    is_masked = any(mask is not None and mask.kind == "h3_center" for mask in masks)
    finer = ("block", "beat", *PLANE)
    return [name for name in finer if is_masked and name in scope.columns and scope.columns[name] is None]
