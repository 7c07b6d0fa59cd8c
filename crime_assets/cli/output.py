"""How answers are printed, batch by batch: as a table for people, as CSV or JSON for programs.

Each form has every column, under a unique name. Only a table is looked at before it is written, and only its first
rows.
What a value looks like for programs is in `values`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TextIO

from crime_assets.cli.values import as_json, as_text, quoted, quoted_in_ascii
from crime_assets.engines.answers import Answer, Row

TABLE_WIDTH_ROWS = 10_000
"""Rows from which the widths of a table's columns are computed; later values may be wider and stick out."""

_TO_BE_QUOTED = re.compile(r'[",\r\n]')


def write_answer(answer: Answer, form: str, out: TextIO) -> None:
    """Write an answer as `table`, `csv` or `json` (an array of objects). NULL is empty in the first two.

    Nothing is written before the first rows have arrived; a later failure leaves the JSON array open.
    """
    columns = unique(answer.columns)
    match form:
        case "csv":
            lines = _csv(columns, answer.batches())
        case "json":
            lines = _json(columns, answer.batches(), is_unicode(out))
        case _:
            lines = _table(columns, answer.batches())
    for text in lines:
        out.write(text)


def unique(columns: Sequence[str]) -> list[str]:
    """The names made unique: `n` and `n` become `n` and `n_2`, or the next number that no other column has."""
    taken, found = set(columns), dict[str, None]()
    for name in columns:
        own, number = name, 1
        while own in found or (number > 1 and own in taken):
            number += 1
            own = f"{name}_{number}"
        found[own] = None
    return list(found)


def is_unicode(out: TextIO) -> bool:
    """Whether every character can be written there as it is."""
    return (getattr(out, "encoding", None) or "utf-8").lower().startswith("utf")


def _csv(columns: Sequence[str], batches: Iterable[Sequence[Row]]) -> Iterator[str]:
    yield _csv_line(columns)
    for rows in batches:
        yield "".join(map(_csv_line, rows))


def _csv_line(values: Sequence[object]) -> str:
    # Readers of CSV do not take an empty line for a row.
    return (",".join(map(_csv_cell, values)) or '""') + "\n"


def _csv_cell(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else as_text(value)
    return '"' + text.replace('"', '""') + '"' if _TO_BE_QUOTED.search(text) else text


def _json(columns: Sequence[str], batches: Iterable[Sequence[Row]], as_it_is: bool) -> Iterator[str]:
    quote = quoted if as_it_is else quoted_in_ascii
    names = [f"{quote(name)}: " for name in columns]
    before = "[\n"
    for rows in batches:
        lines = [
            "{" + ", ".join([name + as_json(value, quote) for name, value in zip(names, row, strict=True)]) + "}"
            for row in rows
        ]
        yield before + ",\n".join(lines)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _table(columns: Sequence[str], batches: Iterable[Sequence[Row]]) -> Iterator[str]:
    rows = chain.from_iterable(batches)
    first = list(islice(rows, TABLE_WIDTH_ROWS))
    cells = [[_cell(value) for value in row] for row in first]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    right = [all(isinstance(row[n], int | float | None) for row in first) for n in range(len(widths))]
    for line in chain([columns, ["-" * width for width in widths]], cells):
        yield _table_line(line, widths, right)
    for row in rows:
        yield _table_line([_cell(value) for value in row], widths, right)


def _table_line(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(line, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip() + "\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    # A cell is one line, whatever text it holds.
    return "".join(character if character.isprintable() else " " for character in text)
