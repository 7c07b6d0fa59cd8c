"""The table of documents and its indexes: made if they are not there, and waited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crime_assets.core.errors import StoreError
from crime_assets.migration.columns import Kind
from crime_assets.migration.documents import DocumentMapping, Index
from crime_assets.migration.stores.calls import Calls, code_of

_KEY = {"HASH": "id", "RANGE": "part"}
_LOOKS = 300
_LOOK_SECONDS = 2.0


def prepare(calls: Calls, mappings: Sequence[DocumentMapping]) -> None:
    """Afterwards the table is there with all indexes of the mappings. StoreError if it cannot be, or takes minutes."""
    indexes = {index.name: (index, mapping) for mapping in mappings for index in mapping.indexes}
    described = _described(calls)
    if described is None:
        types = _types(indexes.values(), {"id": "S", "part": "S"})
        asked: dict[str, Any] = {"GlobalSecondaryIndexes": [_index(one) for one, _ in indexes.values()]}
        calls.ask(
            "create_table",
            KeySchema=_schema(_KEY),
            AttributeDefinitions=_defined(types),
            BillingMode="PAY_PER_REQUEST",
            **asked if indexes else {},
        )
    described = _ready(calls)
    if _key(described) != _KEY:
        raise StoreError(
            f"The table {calls.table} has another key than id and part: name another table in CRIME_DOCUMENTS."
        )
    for name, (index, mapping) in indexes.items():
        found = {one["IndexName"]: one for one in described.get("GlobalSecondaryIndexes", [])}
        if name in found:
            if _key(found[name]) != _index_key(index):
                raise StoreError(
                    f"The index {name} of {calls.table} is over {' and '.join(_key(found[name]).values())}, not over "
                    f"{index.partition} and {index.sort}: delete it, and it is made anew."
                )
            continue
        types = _types([(index, mapping)], {})
        calls.ask(
            "update_table",
            AttributeDefinitions=_defined({**_types_of(described), **types}),
            GlobalSecondaryIndexUpdates=[{"Create": _index(index)}],
        )
        # DynamoDB makes one at a time.
        described = _ready(calls)


def exists(calls: Calls) -> bool:
    """Whether there is a table."""
    return _described(calls) is not None


def _ready(calls: Calls) -> Mapping[str, Any]:
    """What the table is when nothing of it is being made."""
    waited_for = "the table"
    for _ in range(_LOOKS):
        described = _described(calls)
        if described and described["TableStatus"] == "ACTIVE":
            indexes = described.get("GlobalSecondaryIndexes", [])
            making = [one["IndexName"] for one in indexes if one["IndexStatus"] != "ACTIVE"]
            if not making:
                return described
            waited_for = f"its index {making[0]}"
        calls.wait(_LOOK_SECONDS)
    raise StoreError(
        f"DynamoDB is still making {waited_for} of {calls.table}: wait until it is ACTIVE, then run again."
        if waited_for != "the table"
        else f"The table {calls.table} is still not ACTIVE: look at it in DynamoDB, then run again."
    )


def _described(calls: Calls) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = calls.ask("describe_table")["Table"]
    except Exception as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return found


def _index(index: Index) -> dict[str, Any]:
    key = _schema(_index_key(index))
    return {"IndexName": index.name, "KeySchema": key, "Projection": {"ProjectionType": "KEYS_ONLY"}}


def _index_key(index: Index) -> dict[str, str]:
    return {"HASH": index.partition, "RANGE": index.sort}


def _schema(key: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for kind, name in key.items()]


def _key(described: Mapping[str, Any]) -> dict[str, str]:
    return {one["KeyType"]: one["AttributeName"] for one in described["KeySchema"]}


def _types(indexes: Iterable[tuple[Index, DocumentMapping]], known: Mapping[str, str]) -> dict[str, str]:
    """The type of each attribute that is a key."""
    types = dict(known)
    for index, mapping in indexes:
        numbers = {column.attribute for column in mapping.columns if column.kind is Kind.NUMBER}
        types |= {name: "N" if name in numbers else "S" for name in (index.partition, index.sort)}
    return types


def _types_of(described: Mapping[str, Any]) -> dict[str, str]:
    return {one["AttributeName"]: one["AttributeType"] for one in described["AttributeDefinitions"]}


def _defined(types: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]
