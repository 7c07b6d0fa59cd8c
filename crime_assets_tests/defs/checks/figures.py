"""Figures as the statements of `sql/checks` give them."""

from __future__ import annotations


def district(name: str | None, rows: int, **bad: int) -> dict[str, object]:
    none = {"bad_iucr": 0, "no_fbi_code": 0, "bad_beat": 0, "beat_elsewhere": 0, "unmapped": 0}
    return {"district": name, "row_count": rows, **none, **bad}


def arrests(name: str, recent: int, recent_arrests: int, year: int, year_arrests: int) -> dict[str, object]:
    counts = {"recent_crimes": recent, "recent_arrests": recent_arrests}
    return {"offense_class": name, **counts, "year_crimes": year, "year_arrests": year_arrests}
