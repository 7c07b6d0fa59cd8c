"""Commits to catalogs elsewhere: what became of one whose answer was lost on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import CommitTableResponse, Table
    from pyiceberg.table.update import TableRequirement, TableUpdate


def committed(
    catalog: Catalog,
    commit: Callable[[Table, tuple[TableRequirement, ...], tuple[TableUpdate, ...]], CommitTableResponse],
    table: Table,
    requirements: tuple[TableRequirement, ...],
    updates: tuple[TableUpdate, ...],
) -> CommitTableResponse:
    """Commit; where the catalog says that another was faster, see whether that was not this very commit.

    A client that got no answer asks again, and is then refused by its own first request. Whoever believed the refusal
    would remove the files of the present snapshot.

    Only a refusal is looked into. Where the answer is lost as a 5xx the error goes on, nothing is removed, and the next
    run finds what was committed.
    """
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table import CommitTableResponse
    from pyiceberg.table.update import AddSnapshotUpdate

    try:
        return commit(table, requirements, updates)
    except CommitFailedException:
        added = [update.snapshot.snapshot_id for update in updates if isinstance(update, AddSnapshotUpdate)]
        if not added:
            raise
        now = catalog.load_table(table.name())
        if any(now.snapshot_by_id(snapshot_id) is None for snapshot_id in added):
            raise
        return CommitTableResponse.model_construct(metadata=now.metadata, metadata_location=now.metadata_location)
