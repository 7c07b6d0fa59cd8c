"""What a mapping is in SQL: rows to documents, and documents to rows.

Only names and texts of the mapping are in a statement, quoted; values are in the tables that it reads. The rules of
values are in `kinds`, and who runs the statements is `rendering`. In them x… is a column's text, v… its attribute's.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import orjson

from crime_assets.migration.columns import Column
from crime_assets.migration.documents import Child, DocumentMapping
from crime_assets.migration.kinds import KINDS, has_signs, in_quotes, literal, quoted, to_attribute, to_source, to_value

# What an id's parts must not have as they are: what writes such a sign, what joins parts, and control signs.
_SIGNS = ["%", "#", *map(chr, range(0x20)), "\x7f"]
_VALID = "CASE WHEN json_valid(item) THEN item END"


def documents_sql(mapping: DocumentMapping, came_back: bool) -> str:
    """Reads `roots` with `children_texts` of each; gives id, part, item, and if asked for key0… and came_back."""
    keyed = {name for index in mapping.indexes for name in (index.partition, index.sort)}
    keys = [f"key{n}" for n, _ in enumerate(mapping.key)]
    read = [
        *(f"{quoted(name)} AS {key}" for name, key in zip(mapping.key, keys, strict=True)),
        f"{_id(mapping)} AS id",
        *_read(mapping.columns, keyed),
        *(f"nullif(CAST({sql} AS VARCHAR), '') AS d{n}" for n, (_, sql) in enumerate(mapping.derived)),
        *(f"{quoted(children_texts(n))} AS c{n}" for n, _ in enumerate(mapping.children)),
    ]
    texts = [*_head(mapping), *_fragments(mapping.columns), *_derived(mapping)]
    for n, child in enumerate(mapping.children):
        before = literal(f',{_json(child.attribute)}:{{"L":[')
        texts.append(f"{before} || substr(c{n}, 2) || ']}}'")
    item = f"concat({', '.join([*texts, _odd(mapping.columns)])}, '}}') AS item"
    more = [*keys, f"{_came_back(mapping.columns)} AS came_back"] if came_back else []
    made = ", ".join(["id", "$$-$$ AS part", item, *more])
    signs = has_signs(["id", *_texts(mapping.columns), *(f"d{n}" for n, _ in enumerate(mapping.derived))])
    return f"SELECT {made} FROM (SELECT *, {signs} AS signs FROM (SELECT {', '.join(read)} FROM roots))"


def children_texts(n: int) -> str:
    """The column of `roots` with the joined texts of a root's children, which no column of a mapping can be called."""
    return f"{n} texts"


def texts_sql(n: int, child: Child, came_back: bool) -> str:
    """Reads `child…`; gives each row's text with a comma before it, in their order, and if asked for came_back."""
    text = f"substr(concat({', '.join([*_fragments(child.columns), _odd(child.columns)])}), 2)"
    made = [
        f"""concat(',{{"M":{{', {text}, '}}}}') AS texts""",
        *[f"{_came_back(child.columns)} AS came_back"] * came_back,
    ]
    rows = f"SELECT {', '.join(_read(child.columns, ()))} FROM child{n}"
    return f"SELECT {', '.join(made)} FROM (SELECT *, {has_signs(_texts(child.columns))} AS signs FROM ({rows}))"


def roots_sql(mapping: DocumentMapping) -> str:
    """Reads `items`; gives the root's columns."""
    read = f"json_transform({_VALID}, {literal(_shape(mapping.columns))})"
    return f"SELECT {_columns(mapping.columns, 'd')} FROM (SELECT {read} AS d FROM items)"


def children_sql(mapping: DocumentMapping, child: Child) -> str:
    """Reads `items`; gives the parent's columns and those of the child, in the documents' order."""
    key = [column for name in mapping.key for column in mapping.columns if column.name == name]
    name = _json(child.attribute)
    shape = f"""{{{name}:{{"L":[{{"M":{_shape(child.columns)}}}]}}}}"""
    parents = [f"{_column(column, 'k')} AS {quoted(name)}" for column, name in zip(key, child.parent, strict=True)]
    read = [
        f"json_transform({_VALID}, {literal(_shape(key))}) AS k",
        f"json_transform({_VALID}, {literal(shape)}).{quoted(child.attribute)}.L AS l",
    ]
    columns = ", ".join([*parents, _columns(child.columns, "c.M")])
    # Materialized, or DuckDB would read the whole item again for each child, and have as many copies of it.
    made = f"made AS MATERIALIZED (SELECT {', '.join(read)} FROM items)"
    return f"WITH {made} SELECT {columns} FROM (SELECT k, unnest(l) AS c FROM made)"


def _head(mapping: DocumentMapping) -> list[str]:
    kind = literal(f""","part":{{"S":"-"}},"kind":{{"S":"{mapping.kind}"}}""")
    return ["""'{"id":{"S":"'""", in_quotes("id"), "'\"}'", kind]


def _id(mapping: DocumentMapping) -> str:
    """As `mappings.document_id` writes it."""
    parts = []
    for name in mapping.key:
        escaped = text = quoted(name)
        for sign in _SIGNS:
            escaped = f"replace({escaped}, chr({ord(sign)}), '%{ord(sign):02X}')"
        parts.append(f"CASE WHEN regexp_matches({text}, '[%#[:cntrl:]]') THEN {escaped} ELSE {text} END")
    return " || '#' || ".join([literal(mapping.kind), *parts])


def _read(columns: Sequence[Column], keyed: Container[str]) -> list[str]:
    """Each column's text, and its attribute's.

    An empty text cannot be in an index, and DynamoDB would refuse it with all that came along: there it is odd.
    """
    found = []
    for n, column in enumerate(columns):
        value = f"nullif({to_value(column)}, '')" if column.attribute in keyed else to_value(column)
        found += [f"{quoted(column.name)} AS x{n}", f"{value} AS v{n}"]
    return found


def _texts(columns: Sequence[Column]) -> list[str]:
    return [f"v{n}" for n, column in enumerate(columns) if KINDS[column.kind].escaped]


def _fragments(columns: Sequence[Column]) -> list[str]:
    """SQL of each attribute with a comma before it; NULL, which `concat` leaves out, where there is none."""
    found = []
    for n, column in enumerate(columns):
        before, value, after = to_attribute(column, f"v{n}")
        before = f",{_json(column.attribute)}:{before}"
        # Texts of the statement cost nothing here; to join each value to them first would copy it once more.
        found += [_if(f"v{n}", before), value, _if(f"v{n}", after)]
    return found


def _derived(mapping: DocumentMapping) -> list[str]:
    found = []
    for n, (name, _) in enumerate(mapping.derived):
        found += [_if(f"d{n}", f',{_json(name)}:{{"S":"'), in_quotes(f"d{n}"), _if(f"d{n}", '"}')]
    return found


def _odd(columns: Sequence[Column]) -> str:
    """SQL of the map of odd values with a comma before it; NULL where every value is an attribute."""
    odd = [f"(v{n} IS NULL AND x{n} IS NOT NULL)" for n, _ in enumerate(columns)]
    texts = []
    for n, column in enumerate(columns):
        before = literal(f',{_json(column.attribute)}:{{"S":')
        text = f"{before} || CAST(to_json(x{n}) AS VARCHAR) || '}}'"
        texts.append(f"CASE WHEN {odd[n]} THEN {text} END")
    found = f"""',"_odd":{{"M":{{' || substr(concat({", ".join(texts)}), 2) || '}}}}'"""
    return f"CASE WHEN {' OR '.join(odd)} THEN {found} END"


def _came_back(columns: Sequence[Column]) -> str:
    """Whether every value that became an attribute is what comes back from it; the others are kept as they are."""
    return " AND ".join(
        f"(v{n} IS NULL OR {to_source(column, f'v{n}')} IS NOT DISTINCT FROM x{n})" for n, column in enumerate(columns)
    )


def _shape(columns: Sequence[Column]) -> str:
    """What `json_transform` looks for."""
    found = [f'{_json(column.attribute)}:{{"{KINDS[column.kind].type}":"VARCHAR"}}' for column in columns]
    odd = ",".join(f'{_json(column.attribute)}:{{"S":"VARCHAR"}}' for column in columns)
    return "{" + ",".join([*found, f'"_odd":{{"M":{{{odd}}}}}']) + "}"


def _columns(columns: Sequence[Column], record: str) -> str:
    return ", ".join(f"{_column(column, record)} AS {quoted(column.name)}" for column in columns)


def _column(column: Column, record: str) -> str:
    name, kind = quoted(column.attribute), KINDS[column.kind].type
    return f"coalesce({to_source(column, f'{record}.{name}.{kind}')}, {record}._odd.M.{name}.S)"


def _if(value: str, text: str) -> str:
    return f"CASE WHEN {value} IS NOT NULL THEN {literal(text)} END"


def _json(name: str) -> str:
    return orjson.dumps(name).decode()
