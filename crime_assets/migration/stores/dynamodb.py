"""Documents in a table of DynamoDB: all of them are kept before the progress that counts them is.

What is written can be written twice. Parts of divided documents are written before their first item, which says how
many there are; that a document has parts is written down before either.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import explain
from crime_assets.core.concurrency import few_at_once
from crime_assets.core.errors import StoreBusy, StoreError
from crime_assets.migration import Census, Items, Quarantined
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.progress import Progress
from crime_assets.migration.rendering import Renderer
from crime_assets.migration.stores import FIRST, asides, in_pieces, rows_of, tables
from crime_assets.migration.stores.batches import Name, delete_all, key_of, put_all, text_of
from crime_assets.migration.stores.calls import Calls, client_of, code_of
from crime_assets.migration.stores.lease import Lease, Pace, progress_of

_KEYS = 100
"""Of one BatchGetItem."""
_WORKERS = 4
_IDS = 5_000
_NAMES = {"ProjectionExpression": "#id, #part", "ExpressionAttributeNames": {"#id": "id", "#part": "part"}}


class DynamoStore:
    """See DocumentStore. Threads may use it, one at a time."""

    def __init__(
        self, clients: Clients, table: str, mappings: Sequence[DocumentMapping], pace: Pace | None = None
    ) -> None:
        """`mappings` say which indexes the table has, and in which order attributes are written in texts."""
        self.name = f"dynamodb://{table}"
        self._clients = clients
        self._table = table
        self._mappings = mappings
        self._pace = pace or Pace()
        self._made: Calls | None = None
        self._lease: Lease | None = None
        self._divided: set[str] = set()

    @contextmanager
    def hold(self) -> Iterator[Progress]:
        """See DocumentStore. Makes the table and its indexes if they are not there."""
        calls = self._calls
        # Its requests are checked by nothing but their conditions, and it does not wait as long as others.
        lease = Lease(Calls(client_of(self._clients), self._table, patience=self._pace.silence / 2), self._pace)
        with self._explained("take"):
            tables.prepare(calls, self._mappings)
            known = lease.take()
        try:
            with self._explained("read"):
                self._divided = asides.divided(calls)
            self._lease, calls.before = lease, lease.check
            yield known
        finally:
            self._lease, calls.before = None, lambda: None
            lease.give_back()

    def put(self, items: Items, progress: Progress | None) -> None:
        """See DocumentStore. An item that DynamoDB refuses is set aside."""
        lease = self._holding(progress)
        with self._explained("write to"):
            self._put(items)
            if progress is not None:
                lease.keep(progress)

    def replace(self, ids: Sequence[str], items: Items, progress: Progress | None) -> None:
        """See DocumentStore. What a kill leaves undone is done when the same ids are replaced again."""
        lease = self._holding(progress)
        with self._explained("write to"):
            new = self._put(items)
            were_divided = self._divided & {*ids}
            gone = {(name, FIRST) for name in ids} - new
            for name in were_divided:
                gone |= {held for held in self._names(name) if held not in new}
            delete_all(self._calls, gone)
            whole = were_divided - {name for name, part in new if part != FIRST}
            asides.remove_divided(self._calls, whole)
            self._divided -= whole
            if progress is not None:
                lease.keep(progress)

    def scan(self) -> Iterator[Items]:
        """See DocumentStore."""
        yield from in_pieces(self._scanned())

    def get(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """See DocumentStore."""
        found: dict[str, dict[str, str]] = {}
        with self._explained("read"):
            if self._is_new():
                return {}
            divided = (self._divided if self._lease else asides.divided(self._calls)) & {*ids}
            whole = [key_of((name, FIRST)) for name in dict.fromkeys(ids) if name not in divided]
            pieces = [whole[start : start + _KEYS] for start in range(0, len(whole), _KEYS)]
            read = [item for items in few_at_once(self._batch_of, pieces, _WORKERS) for item in items]
            for name in divided:
                read += asides.partition(self._calls, name)
        for item in read:
            found.setdefault(item["id"]["S"], {})[item["part"]["S"]] = text_of(item, self._text)
        return found

    def ids(self, kind: str) -> Iterator[list[str]]:
        """See DocumentStore. Reads the whole table."""
        held: list[str] = []
        of_kind = {
            "FilterExpression": "begins_with(#id, :kind)",
            "ExpressionAttributeValues": {":kind": {"S": f"{kind}#"}},
        }
        for name, _ in self._documents(**of_kind):
            held.append(name)
            if len(held) == _IDS:
                yield held
                held = []
        if held:
            yield held

    def census(self, kinds: Sequence[str]) -> Census:
        """See DocumentStore. Reads the whole table; who holds it learns of parts that were written by others."""
        counts = dict.fromkeys(kinds, 0)
        strays: list[str] = []
        divided: set[str] = set()
        for name, parts in self._documents():
            kind = name.partition("#")[0]
            if kind in counts and kind != name:
                counts[kind] += 1
            else:
                strays.append(name)
            if parts != [FIRST]:
                divided.add(name)
        if self._lease is not None and (new := divided - self._divided):
            with self._explained("write to"):
                asides.add_divided(self._calls, new)
            self._divided |= new
        return Census(counts, strays)

    def set_aside(self, found: Sequence[Quarantined]) -> None:
        """See DocumentStore."""
        self._holding(None)
        with self._explained("write to"):
            asides.set_aside(self._calls, found)

    def aside(self) -> list[Quarantined]:
        """See DocumentStore."""
        with self._explained("read"):
            return [] if self._is_new() else asides.aside(self._calls)

    def release(self, ids: Sequence[str]) -> None:
        """See DocumentStore."""
        self._holding(None)
        with self._explained("write to"):
            asides.release(self._calls, ids)

    def progress(self) -> Progress | None:
        """See DocumentStore."""
        with self._explained("read"):
            return None if self._is_new() else progress_of(self._calls)

    @cached_property
    def _renderers(self) -> dict[str, Renderer]:
        return {mapping.kind: Renderer(mapping) for mapping in self._mappings}

    def _text(self, item: Mapping[str, Any]) -> str:
        """An item, whose attributes come in any order, as documents are written."""
        kind = item.get("kind", {}).get("S", "")
        renderer = self._renderers.get(kind) or next(iter(self._renderers.values()))
        return renderer.canonical(item)

    @property
    def _calls(self) -> Calls:
        if self._made is None:
            self._made = Calls(client_of(self._clients), self._table)
        return self._made

    def _holding(self, progress: Progress | None) -> Lease:
        if self._lease is None:
            raise StoreBusy(f"{self.name} is not held: run the command again.")
        if progress is not None:
            self._lease.check_token(progress)
        return self._lease

    def _put(self, items: Items) -> set[Name]:
        """Parts first; the names of all."""
        rows = {(name, part): item for name, part, item in rows_of(items)}
        parts = {held: item for held, item in rows.items() if held[1] != FIRST}
        if new := {name for name, _ in parts} - self._divided:
            asides.add_divided(self._calls, new)
            self._divided |= new
        firsts = {held: item for held, item in rows.items() if held[1] == FIRST} if parts else rows
        if refused := put_all(self._calls, parts) + put_all(self._calls, firsts):
            asides.set_aside(self._calls, [Quarantined(one.name[0], one.reason, one.item) for one in refused])
        return {*rows}

    def _names(self, document: str) -> Iterator[Name]:
        """What the table has of a divided document."""
        asked = {"ProjectionExpression": "#id, #part", "ExpressionAttributeNames": {"#part": "part"}}
        for item in asides.partition(self._calls, document, **asked):
            yield item["id"]["S"], item["part"]["S"]

    def _scanned(self) -> Iterator[tuple[str, str, str]]:
        for answer in self._pages():
            for item in answer["Items"]:
                name, part = item["id"]["S"], item["part"]["S"]
                if not name.startswith(asides.CONTROL):
                    yield name, part, text_of(item, self._text)

    def _documents(self, **more: Any) -> Iterator[tuple[str, list[str]]]:
        """Ids with their parts: a Scan gives what has the same id one after another."""
        names = (
            (item["id"]["S"], item["part"]["S"])
            for answer in self._pages(**_NAMES, **more)
            for item in answer["Items"]
            if not item["id"]["S"].startswith(asides.CONTROL)
        )
        for name, together in itertools.groupby(names, key=lambda one: one[0]):
            yield name, [part for _, part in together]

    def _pages(self, **more: Any) -> Iterator[Any]:
        """Answers of a Scan."""
        with self._explained("read"):
            if self._is_new():
                return
        while True:
            with self._explained("read"):
                answer = self._calls.ask("scan", ConsistentRead=True, **more)
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            more["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _batch_of(self, keys: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """All items with these keys that there are."""
        patience = self._calls.patience()
        found: list[dict[str, Any]] = []
        while keys:
            asked = {self._table: {"Keys": keys, "ConsistentRead": True}}
            answer = self._calls.patiently(patience, "batch_get_item", RequestItems=asked)
            found += answer["Responses"].get(self._table, [])
            left = answer["UnprocessedKeys"].get(self._table, {}).get("Keys", [])
            if len(left) < len(keys):
                patience.renew()
            if keys := left:
                patience.wait(None, "read")
        return found

    def _is_new(self) -> bool:
        """Whether there is no table; a holder has made it."""
        return self._lease is None and not tables.exists(self._calls)

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        """Turns what boto3 raises into a sentence that says what to do."""
        try:
            yield
        except Exception as error:
            if code_of(error) == "ResourceNotFoundException" and self._lease is not None:
                raise StoreError(
                    f"The table {self._table} was deleted, with all documents: restore it from a backup, or run "
                    "`crime-assets legacy load`, which begins anew."
                ) from error
            told = explain(error, f"{action} the table {self._table}", "CRIME_DOCUMENTS")
            if told is None:
                raise
            raise StoreError(str(told)) from error
