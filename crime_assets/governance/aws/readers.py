"""Who reads what by Lake Formation: an IAM role for each principal that has one, with cells of tables by name.

A role has one filter for each table, so its limits of 100 of them for a table, and of 10 in a grant, are never met.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from crime_assets.core.errors import UsageError
from crime_assets.governance.filters import lakeformation_filter
from crime_assets.governance.grants import reading_of
from crime_assets.governance.policy import Policy, Principal

_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""Names that IAM, Athena's workgroups, S3's keys and Terraform all take."""
_OURS = "crime-assets"
"""What the names of the program's own roles begin with: see deploy/README.md."""


@dataclass(frozen=True)
class Cells:
    """Columns and rows of a table; `rows` is a condition in Lake Formation's grammar, or all if it is empty."""

    database: str
    table: str
    columns: tuple[str, ...]
    rows: str


@dataclass(frozen=True)
class Reader:
    """An IAM role, and what it reads: cells, or all tables of `databases`."""

    principal: str
    iam_role: str
    expires: date | None
    databases: tuple[str, ...]
    cells: tuple[Cells, ...]
    left_out: tuple[str, ...]

    @property
    def is_unrestricted(self) -> bool:
        """Whether it reads the lake as it is."""
        return not self.cells


def readers(policy: Policy, types: Mapping[str, str]) -> list[Reader]:
    """The readers of a policy, by the columns of `crimes` and their Iceberg types.

    UsageError for what Lake Formation cannot express. A principal without iam_role reads nothing on AWS.
    """
    return [_reader(policy, found, types) for found in policy.principals.values() if found.iam_role]


def _reader(policy: Policy, found: Principal, types: Mapping[str, str]) -> Reader:
    if not _ROLE.fullmatch(found.iam_role):
        raise UsageError(
            f"principals.{found.name}: the IAM role {found.iam_role!r} is the name of a workgroup, too: use letters, "
            "digits, _ and -, and begin with a letter."
        )
    # IAM does not tell capital letters from small ones.
    if found.iam_role.casefold().startswith(_OURS):
        raise UsageError(f"principals.{found.name}: the IAM role {found.iam_role} is one of the program's own.")
    reading = reading_of(policy, found, types, ())
    if not reading.grants and not reading.is_everything:
        raise UsageError(
            f"principals.{found.name} has an IAM role, and nothing to read on AWS: {' '.join(reading.left_out)} "
            "Take iam_role away, or give its role another table."
        )
    place = f"roles.{found.role}"
    cells = tuple(
        Cells(
            grant.database,
            grant.table,
            grant.columns,
            lakeformation_filter(grant.rows, found.districts, types, place),
        )
        for grant in reading.grants
    )
    databases = tuple(sorted({one.database for one in cells})) or (policy.city,)
    return Reader(found.name, found.iam_role, found.expires, databases, cells, reading.left_out)
