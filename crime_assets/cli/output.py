"""How answers are printed: as a table for people, as CSV or JSON for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import TextIO

from crime_assets.engines import Answer


def write_answer(answer: Answer, form: str, out: TextIO) -> None:
    """Write an answer as `table`, `csv` or `json` (a list of objects). NULL is empty in the first two."""
    match form:
        case "csv":
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(answer.columns)
            writer.writerows([_plain(value) for value in row] for row in answer.rows)
        case "json":
            rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
            json.dump(rows, out, default=str, ensure_ascii=False, indent=1)
            out.write("\n")
        case _:
            _write_table(answer, out)


def _plain(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _write_table(answer: Answer, out: TextIO) -> None:
    cells = [[_cell(value) for value in row] for row in answer.rows]
    widths = [max(map(len, column)) for column in zip(answer.columns, *cells, strict=True)]
    right = [all(isinstance(row[n], int | float | None) for row in answer.rows) for n in range(len(widths))]
    for line in (list(answer.columns), ["-" * width for width in widths], *cells):
        out.write("  ".join(_padded(line, widths, right)).rstrip() + "\n")


def _padded(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    return [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(line, widths, right, strict=True)
    ]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    # A cell is one line, whatever the city wrote into it.
    return "".join(character if character.isprintable() else " " for character in text)
