"""A transaction of pyiceberg that computes once what its table will be like: pyiceberg does it each time it is asked.

With each commit it asks some dozen times, and copies all the metadata each time: a sixth of the time of a small merge,
more the more snapshots the table has. It only reads what it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyiceberg.table import Transaction as EachTime

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import TableUpdate


class Transaction(EachTime):
    """Used like `Table.transaction()`."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._known: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """What it is now with the updates so far; both are replaced, never changed in place."""
        now, updates = self._table.metadata, self._updates
        if self._known is None or self._known[0] is not now or self._known[1] is not updates:
            self._known = now, updates, super().table_metadata
        return self._known[2]
