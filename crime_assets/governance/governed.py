"""Masked tables for engines that can leave out rows and columns but cannot mask, such as AWS with Lake Formation.

One for each role that masks: all rows, the role's columns under their own names. Its districts are left to the engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256

from crime_assets.governance.cutting import cells, parameters, restrict, seen_of
from crime_assets.governance.filters import columns_of
from crime_assets.governance.gates import seen_columns
from crime_assets.governance.grants import masked_table
from crime_assets.governance.keys import MaskKey
from crime_assets.governance.masks import PLACE
from crime_assets.governance.policy import Policy, Principal
from crime_assets.governance.scopes import Scope, check_columns, scope_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import CRIMES
from crime_assets.lakehouse.writing.governed import (
    Settled,
    drop_others,
    masked_by,
    namespace_of,
    present,
    settle,
)
from crime_assets.sources.cities import City

_DOCS = {column.name: column.doc for column in CRIMES}


def masking_scopes(policy: Policy, types: Mapping[str, str]) -> dict[str, Scope]:
    """Role → what its table holds, for roles that see some column of crimes masked.

    Columns that the rows of the role are chosen by are in it, too, though the role may not see them.
    """
    found = {}
    for name, role in policy.roles.items():
        if "crimes" in role.tables and not role.is_unrestricted:
            everywhere = replace(policy, roles={name: replace(role, rows="")})
            scope = scope_of(everywhere, Principal(name, name), types)
            if any(mask is not None for mask in scope.columns.values()):
                compared = {column: None for column in sorted(columns_of(role.rows)) if column not in scope.columns}
                found[name] = replace(scope, columns={**scope.columns, **compared})
    return found


def write_governed(lake: Lake, city: City, policy: Policy, key: Callable[[], MaskKey]) -> dict[str, Settled]:
    """Make each of these tables what it should be now; table → what became of it. Others of their kind are dropped."""
    types = seen_columns(lake, city)
    check_columns(policy, types)
    scopes = {masked_table(role): scope for role, scope in masking_scopes(policy, types).items()}
    with lake.writing():
        done = {name: _write(lake, city, name, scope, key) for name, scope in scopes.items()}
        drop_others(lake, city, list(done))
    return done


def behind(lake: Lake, city: City, policy: Policy, key: Callable[[], MaskKey]) -> Iterator[str]:
    """What masked tables show otherwise than the policy says now, a sentence each; what is not there shows nothing."""
    scopes = masking_scopes(policy, seen_columns(lake, city))
    wanted = {masked_table(role): (role, scope) for role, scope in scopes.items()}
    for name, masks in masked_by(lake, city).items():
        told = f"The masked table {namespace_of(city.name)}.{name}"
        if name not in wanted:
            yield f"{told} is of no role that masks: materialize governed_crimes, which drops it."
            continue
        role, scope = wanted[name]
        if masks != _masks_of(scope, key):
            yield (
                f"{told} has the role {role} masked otherwise than the policy says (or by another key): materialize "
                "governed_crimes."
            )


def _masks_of(scope: Scope, key: Callable[[], MaskKey]) -> str:
    """A digest of what its table is made by: columns, masks, and the key, if one of them has it."""
    columns = {name: str(mask) if mask else "clear" for name, mask in scope.columns.items()}
    by_key = key().id if parameters(scope, key) else ""
    return sha256(json.dumps([columns, by_key], sort_keys=True).encode()).hexdigest()[:32]


def _write(lake: Lake, city: City, name: str, scope: Scope, key: Callable[[], MaskKey]) -> Settled:
    held = list(seen_columns(lake, city))
    columns = [column for column in held if column in scope.columns]
    with present(lake, city) as con:
        restrict(con, "permitted", "FROM crimes_now", held, "TRUE")
        if (mask := scope.mask_of(*PLACE)) is not None:
            con.execute("CREATE VIEW older AS FROM crimes_superseded LIMIT 0")
            con.register("cells", cells(con, int(mask.value)))
        con.execute(f"CREATE TABLE seen AS {seen_of(scope, columns)}", parameters(scope, key))
        return settle(lake, city, name, con, _DOCS, _masks_of(scope, key))
