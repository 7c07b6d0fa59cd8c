"""RESULTS.md: one part for speed, one for what was thrown at the lake. Either can be made anew without the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
SPEED = "# Speed"
THROWN = "# What was thrown at it"

_HEAD = "Made by `make stress`; each of these ended as it should.\n\n| what | how often |\n| --- | --- |\n"


def write_part(title: str, text: str, path: Path = RESULTS) -> None:
    """Put `text` in place of what the part has under its title; the other part stays."""
    parts = {SPEED: "", THROWN: "", **_parts(path)}
    parts[title] = text.strip()
    path.write_text("\n\n".join(f"{name}\n\n{body}" for name, body in parts.items() if body) + "\n")


def write_thrown(thrown: Mapping[str, str], path: Path = RESULTS) -> None:
    """What was thrown, and how often: takes the place of lines that begin alike, the others stay."""
    lines = _parts(path).get(THROWN, "").splitlines()
    known = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    rows = {row[0]: row[1] for row in known[2:]} | dict(thrown)
    write_part(THROWN, _HEAD + "\n".join(f"| {what} | {often} |" for what, often in rows.items()), path)


def _parts(path: Path) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    body: list[str] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        if line in (SPEED, THROWN):
            body = found[line] = []
        else:
            body.append(line)
    return {title: "\n".join(lines).strip() for title, lines in found.items()}
