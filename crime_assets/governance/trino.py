"""The policy as the rule file of Trino's file-based access control, for a catalog that is called `lake` there.

A principal's name is the user's. What no rule gives is closed: other catalogs, schemas and tables, Iceberg's tables of
files and snapshots, its functions, procedures, session properties, what runs on the server. Columns are closed by name
only: one that is new in the lake is seen until the file is made again.
trino.io/docs/current/security/file-system-access-control.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from crime_assets.core.errors import UsageError
from crime_assets.governance.filters import columns_of, trino_filter
from crime_assets.governance.grants import Grant, reading_of
from crime_assets.governance.masks import Mask
from crime_assets.governance.policy import Policy, Principal
from crime_assets.lakehouse.iceberg.duck import identifier, literal

CATALOG = "lake"

_OWN_MASKS = ("truncate",)
"""Kinds of masks that Trino's SQL has without a key; for others, the masked table is read."""
_OF_FILES = ("$path", "$file_modified_time", "$partition")
"""Columns of every Iceberg table that tell of its files."""


def rules(policy: Policy, types: Mapping[str, str]) -> dict[str, Any]:
    """The rules of a policy, by the columns of `crimes` and their Iceberg types; UsageError for what cannot be said."""
    everybody = "|".join(map(re.escape, policy.principals))
    found = [rule for one in policy.principals.values() for rule in _tables(policy, one, types)]
    nobody: dict[str, Any] = {"privileges": []}
    return {
        "catalogs": [{"user": everybody, "catalog": CATALOG, "allow": "read-only"}, {"allow": "none"}],
        "schemas": [{"owner": False}],
        "tables": [*found, nobody],
        "functions": [
            {"user": everybody, "catalog": "system", "schema": "builtin", "privileges": ["EXECUTE"]},
            nobody,
        ],
        "procedures": [nobody],
        "queries": [{"user": everybody, "allow": ["execute"]}, {"allow": []}],
        "impersonation": [{"original_user": ".*", "new_user": ".*", "allow": False}],
        "system_session_properties": [{"allow": False}],
        "catalog_session_properties": [{"allow": False}],
        "system_information": [{"allow": []}],
    }


def left_out(policy: Policy, types: Mapping[str, str]) -> list[str]:
    """What principals do not get by these rules, and where the rules do not keep to the policy; a sentence each."""
    return [said for one in policy.principals.values() for said in reading_of(policy, one, types, _OWN_MASKS).left_out]


def _tables(policy: Policy, found: Principal, types: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rules of a principal's tables."""
    reading = reading_of(policy, found, types, _OWN_MASKS)
    user = re.escape(found.name)
    if reading.is_everything:
        every = {"user": user, "catalog": CATALOG, "schema": policy.city, "table": "[a-z0-9_]+"}
        return [{**every, "privileges": ["SELECT"], **_filter(_in_time(found))}]
    return [_table(found, user, grant) for grant in reading.grants]


def _table(found: Principal, user: str, grant: Grant) -> dict[str, Any]:
    if unseen := sorted(columns_of(grant.rows) & set(grant.hidden)):
        raise UsageError(
            f"roles.{found.role}.rows compares {unseen[0]}, which the role does not see: Trino evaluates rows with the "
            "person's rights, and would refuse; let the role see it, or compare another column."
        )
    # Of a row for which a filter is NULL, Trino 476 evaluates what is asked as well, and its errors tell the values.
    conditions = [f"coalesce({trino_filter(grant.rows, found.districts)}, FALSE)"] if grant.rows else []
    columns: list[dict[str, Any]] = [{"name": name, "allow": False} for name in (*grant.hidden, *_OF_FILES)]
    columns += [{"name": name, "mask": _mask(mask, name)} for name, mask in grant.masks.items()]
    return {
        "user": user,
        "catalog": CATALOG,
        "schema": grant.database,
        "table": grant.table,
        "privileges": ["SELECT"],
        "columns": columns,
        **_filter([*conditions, *_in_time(found)]),
    }


def _filter(conditions: Sequence[str]) -> dict[str, str]:
    return {"filter": " AND ".join(f"({condition})" for condition in conditions)} if conditions else {}


def _in_time(found: Principal) -> list[str]:
    """Until the principal's last day ends (UTC), whatever the session's time zone."""
    if found.expires is None:
        return []
    return [f"current_timestamp < TIMESTAMP '{found.expires + timedelta(days=1)} 00:00:00 UTC'"]


def _mask(mask: Mask, column: str) -> str:
    return f"date_trunc({literal(str(mask.value))}, {identifier(column)})"
