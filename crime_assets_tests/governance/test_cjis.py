"""docs/cjis.md: each test that it names exists, no control is missing, none is said to be covered without a test."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "cjis.md").read_text()
CONTROLS = (
    "AU-2 AU-3 AU-3(1) AU-3(3) AU-5 AU-6 AU-8 AU-9 AU-9(4) AU-11 AC-2 AC-2(2) AC-2(3) AC-2(13) AC-5 AC-6(7) AC-6(9) "
    "AC-7 AC-8 AC-11 AC-12 IA-2 SC-13 SC-28"
).split()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")][2:]


def test_each_control_has_a_row() -> None:
    assert [row[0] for row in ROWS] == CONTROLS
    assert all(len(row) == 5 for row in ROWS)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", PAGE))))
def test_each_named_test_exists(name: str) -> None:
    file, test = name.split("::")
    tree = ast.parse((TESTS / file).read_text())
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_what_is_covered_has_a_test_and_what_is_not_says_so() -> None:
    for control, _, covered, tests, _ in ROWS:
        assert bool(tests) is not covered.startswith("nothing:"), control
