"""The files of sql/alerts: rules that watch reports, one a file; what their headers say, and what identifies alerts.

A file is comment lines, then one SELECT over TABLES. The comment says what the rule watches. Lines with a tag say more:

    @title Many reports in one hour       a few words for lists
    @window hour                          what a window number counts: hours, blocks of six hours or days since 1970 on
                                          the clock of the stream's zone; of fir, which has no window, it is 0
    @chance 4                             false alarms at most once in 10 ** 4 times; the statement may ask for :chance
    @evidence station, hour_number        reports of `new_reports` that have these in common with that of event_id are
                                          evidence of the alert
    @false_alarms At most 1 in 10,000 …   what to expect by chance, in words

A rule gives every revision that is reached, every time it is asked, for the units that new reports touch, and for
blocks that have closed. What it gives only ever grows: counts do, and what they are compared with ends before anything
that may still arrive, if no shard is read hours ahead of another. So all that it has given depends on the reports
alone, not on the ticks in which they were read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path

from sqlglot import TokenType, exp, tokenize

from crime_assets.core.errors import UsageError
from crime_assets.core.headers import headed
from crime_assets.core.sql import DIALECT, SQL_DIRECTORY, listed, parse, placeholders, render

COLUMNS = (
    *("subject", "district", "window_number", "revision", "at_least", "before_reports", "periods"),
    *("cell_lat", "cell_lon", "event_id"),
)
"""What every rule gives: see `sql/live/state.sql`, table alerts. `event_id` is one of the new reports, if any."""
TABLES = frozenset(
    {
        *("stations", "hours", "blocks", "cells", "complaints", "named", "limits", "new_reports", "new_hours"),
        *("new_blocks", "new_cells", "new_complaints", "new_named"),
    }
)
"""Tables that a rule may read: what is known of reports, with those of the tick added, and what the tick has added."""
PARAMETERS = frozenset({"closed_from", "closed_to", "chance"})
"""What a rule may ask for: the first and the last block that closed with the tick, and the exponent of its header."""
WINDOWS = ("hour", "block", "day", "fir")

_FILE_NAME = re.compile(r"(?P<number>\d\d)_(?P<name>[a-z][a-z0-9_]*)\.sql")
_TAGS = ("title", "window", "chance", "evidence", "false_alarms")
_OPTIONAL = {"chance", "evidence"}
_COLUMN = re.compile(r"[a-z][a-z0-9_]*")
# Engines differ in what they make of 5 / 2; and a moment of asking would be another one every time.
_REFUSED = (
    *(exp.Div, exp.IntDiv, exp.Mod, exp.Rand),
    *(exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentDatetime),
)


@dataclass(frozen=True)
class Rule:
    """One file of sql/alerts."""

    name: str
    number: int
    title: str
    description: str
    window: str
    """One of WINDOWS."""
    chance: int | None
    """Exponent of how often it is wrong by chance at the most; None if chance alone raises no alarm."""
    evidence: tuple[str, ...]
    """Columns of new_reports."""
    false_alarms: str
    statement: str

    @cached_property
    def asks_for_blocks(self) -> bool:
        """Whether it watches blocks that closed: before the first one did, it cannot be asked."""
        return "closed_to" in placeholders(parse(self.statement))

    @cached_property
    def touched_by(self) -> frozenset[str]:
        """The tables of what a tick has added that it reads: if they are empty and no block closed, it gives nothing.

        Planning a statement takes longer than running it, so it is worth while not to ask.
        """
        read = {table.name for table in parse(self.statement).find_all(exp.Table)}
        return frozenset(name for name in read & TABLES if name.startswith("new_"))

    @property
    def definition(self) -> str:
        """A digest of how it is computed: of the statement without comments and spaces, and of the chance."""
        signs = [(token.token_type == TokenType.STRING, token.text) for token in tokenize(self.statement, read=DIALECT)]
        return sha256(f"{self.name} {self.chance} {signs}".encode()).hexdigest()[:16]

    def query(self, dialect: str, closed: tuple[int, int] | None = None) -> str:
        """The statement for an engine ("duckdb", "spark", "athena").

        `closed` are the first and the last block that closed; if none did with this tick, twice the last that has.
        """
        parameters = {} if closed is None else {"closed_from": closed[0], "closed_to": closed[1]}
        if self.chance is not None:
            parameters["chance"] = self.chance
        return render(self.statement, dialect, parameters)


def alert_id(rule: str, subject: str, window_number: int) -> str:
    """The identity of an alert: the same whenever, wherever and however often the rule of this name raises it."""
    return sha256(f"{rule}\n{subject}\n{window_number}".encode()).hexdigest()[:24]


def digest(rules: Sequence[Rule]) -> str:
    """Changes when any rule is computed differently."""
    return sha256(" ".join(rule.definition for rule in rules).encode()).hexdigest()[:16]


def load_rules(directory: Path = SQL_DIRECTORY / "alerts") -> tuple[Rule, ...]:
    """All rules of a directory, in the order of their file names.

    Raises UsageError if there is none, or (naming the file) if a name, header or statement is wrong.
    """
    rules = tuple(_load(path) for path in sorted(directory.glob("*.sql")))
    if not rules:
        raise UsageError(f"There are no rules in {directory}: add files named like 01_surge.sql.")
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"Two files in {directory} are called {name}: give one of them another name.")
    return rules


@lru_cache
def all_rules() -> tuple[Rule, ...]:
    """Those of sql/alerts."""
    return load_rules()


def _load(path: Path) -> Rule:
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        raise UsageError(f"{path} is not named like a rule: use two digits and a name, as in 01_surge.sql.")
    try:
        rule = _made(match["name"], int(match["number"]), path.read_text(encoding="utf-8"))
        _check_header(rule)
        _check_statement(rule)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    return rule


def _made(name: str, number: int, text: str) -> Rule:
    """What the text of a file says."""
    description, found, statement = headed(text, _TAGS, "watches")
    if any(len(said) > 1 for said in found.values()):
        raise UsageError("The header has a tag twice: write each one once.")
    tags = {tag: said[0] for tag, said in found.items() if said}
    if missing := [f"@{tag}" for tag in _TAGS if tag not in _OPTIONAL and not tags.get(tag)]:
        raise UsageError(f"The header lacks {', '.join(missing)}.")
    chance = tags.get("chance")
    if chance is not None and not re.fullmatch("[1-9]", chance):
        raise UsageError(f"The header line '@chance {chance}' must be a digit, such as 4 for once in 10,000 times.")
    return Rule(
        name=name,
        number=number,
        title=tags["title"],
        description=description,
        window=tags["window"],
        chance=int(chance) if chance else None,
        evidence=tuple(tags["evidence"].split(", ")) if tags.get("evidence") else (),
        false_alarms=tags["false_alarms"],
        statement=statement,
    )


def _check_header(rule: Rule) -> None:
    if rule.window not in WINDOWS:
        raise UsageError(f"The header line '@window {rule.window}' must name one of {', '.join(WINDOWS)}.")
    if wrong := [name for name in rule.evidence if not _COLUMN.fullmatch(name)]:
        raise UsageError(f"The header line '@evidence' names {', '.join(wrong)}: write it as column, column.")
    begins = "None by chance" if rule.chance is None else f"At most 1 in {10**rule.chance:,} "
    if not rule.false_alarms.startswith(begins):
        raise UsageError(f"The header line '@false_alarms' must begin with '{begins.strip()}', as @chance says.")


def _check_statement(rule: Rule) -> None:
    query = parse(rule.statement)
    if tuple(query.named_selects) != COLUMNS:
        raise UsageError(
            f"The statement gives the columns {', '.join(query.named_selects)}: give {', '.join(COLUMNS)}, in this "
            "order."
        )
    read = {table.name for table in query.find_all(exp.Table)} - {cte.alias for cte in query.find_all(exp.CTE)}
    if unknown := read - TABLES:
        raise UsageError(
            f"The statement reads {', '.join(sorted(unknown))}: it may read {', '.join(sorted(TABLES))} only."
        )
    asked = placeholders(query)
    if unknown := asked - PARAMETERS:
        raise UsageError(f"The statement asks for {listed(unknown)}: only {listed(PARAMETERS)} are given.")
    if "chance" in asked and rule.chance is None:
        raise UsageError("The statement asks for :chance: add a line @chance to the header.")
    if refused := next(query.find_all(*_REFUSED), None):
        raise UsageError(
            f"The statement has {refused.sql(DIALECT)}: use whole numbers, and no division, rest or clock."
        )
