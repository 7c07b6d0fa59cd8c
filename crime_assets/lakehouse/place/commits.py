"""Commits to remote catalogs: finding out what happened to a commit whose answer was lost."""

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
    """Commit; if the catalog says that another commit was faster, check whether that was this very commit.

    A client that got no answer sends the request again, which is then refused because of its own first request.
    Believing that refusal would mean removing the files of the current snapshot.

    Only a refusal is checked. If the answer is lost as a 5xx, the error is raised, nothing is removed, and the next
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
