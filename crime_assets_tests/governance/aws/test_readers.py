"""Who reads what by Lake Formation, and what is refused because it cannot be said there."""

from __future__ import annotations

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.core.insights import all_insights
from crime_assets.governance.aws.readers import Reader, readers
from crime_assets_tests.governance.policies import TEXT, TYPES, policy, scope

ROLES = {"p.diaz": "commander-011", "desk": "desk", "ana": "analyst", "keeper": "steward"}
CLEAR = TEXT.replace('clear = ["open", "detail", "identity", "origin"]\nmask = { place = "cell" }', 'clear = ["open"]')


def on_aws(text: str = TEXT, **roles: str) -> str:
    """A policy's text in which principals are these IAM roles."""
    for name, role in (roles or ROLES).items():
        for header in (f"[principals.{name}]", f'[principals."{name}"]'):
            text = text.replace(f"{header}\n", f'{header}\niam_role = "{role}"\n')
    return text


def found(text: str) -> dict[str, Reader]:
    return {reader.principal: reader for reader in readers(policy(text), TYPES)}


def test_who_has_no_iam_role_reads_nothing() -> None:
    assert found(TEXT) == {}
    assert list(found(on_aws(ana="analyst"))) == ["ana"]


def test_a_role_with_rows_reads_these_and_the_columns_it_sees() -> None:
    (reader,) = found(on_aws(CLEAR, **{"p.diaz": "commander"})).values()
    (cells,) = reader.cells
    assert (cells.database, cells.table, cells.rows) == ("chicago", "crimes", "\"district\" IN ('011')")
    assert set(cells.columns) == set(scope("p.diaz", CLEAR).columns)
    assert reader.databases == ("chicago",)
    assert [sentence.split(":")[0] for sentence in reader.left_out] == [
        "p.diaz gets no insights",
        "p.diaz does not get crimes_superseded",
        "p.diaz sees earlier days without as_of",
    ]


def test_what_becomes_of_earlier_days_is_said() -> None:
    def said(text: str, principal: str) -> str:
        return found(on_aws(text))[principal].left_out[-1]

    assert "snapshots of crimes that upkeep still keeps, which no grant limits" in said(CLEAR, "p.diaz")
    assert said(TEXT, "ana").startswith("ana sees earlier days without as_of: insights, which")
    may = TEXT.replace("[roles.analyst]", "[roles.analyst]\nas_of = true")
    assert said(may, "ana").endswith("earlier snapshots of crimes, and none of a masked table.")
    may = CLEAR.replace("[roles.commander]", "[roles.commander]\nas_of = true")
    assert said(may, "p.diaz").endswith("until upkeep drops them.")
    alone = TEXT.replace("[roles.analyst]", "[roles.clerk]").replace('role = "analyst"', 'role = "clerk"')
    alone = alone.replace('tables = ["crimes", "insights"]', 'tables = ["crimes"]')
    assert found(on_aws(alone))["ana"].left_out == (), "a masked table has one state"


def test_a_role_with_masks_reads_its_masked_table() -> None:
    desk, analyst = found(on_aws())["desk"], found(on_aws())["ana"]
    (cells,) = desk.cells
    assert (cells.database, cells.table) == ("chicago_governed", "crimes_desk")
    assert cells.rows == "\"district\" IN ('011', '025') AND \"domestic\" = FALSE"
    assert set(cells.columns) == set(scope("desk").columns)
    assert analyst.databases == ("chicago", "chicago_governed")
    (masked,) = [cells for cells in analyst.cells if not cells.table.startswith("insight_")]
    assert (masked.table, masked.rows) == ("crimes_analyst", "")


def test_insights_are_for_roles_without_rows_and_show_what_their_scope_shows() -> None:
    seen = {cells.table: cells.columns for cells in found(on_aws())["ana"].cells if cells.table.startswith("insight_")}
    expected = {one.table: columns for one in all_insights() if (columns := scope("ana").columns_of(one))}
    assert len(seen) > 5
    assert seen == expected


def test_a_new_column_is_hidden() -> None:
    (before,), (after,) = (
        [reader for reader in readers(policy(on_aws()), types) if reader.principal == "desk"]
        for types in (TYPES, {**TYPES, "suspect_name": "string"})
    )
    assert before == after


def test_who_sees_the_lake_itself_has_no_cells() -> None:
    keeper = found(on_aws())["keeper"]
    assert keeper.is_unrestricted
    assert (keeper.databases, keeper.cells, keeper.left_out) == (("chicago",), (), ())
    asked = on_aws().replace('clear = ["*"]', 'clear = ["*"]\npurpose_required = true')
    assert "not asked for a purpose" in found(asked)["keeper"].left_out[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (on_aws(ana="1analyst"), "begin with a letter"),
        (on_aws(ana="crime.analyst"), "letters, digits, _ and -"),
        (on_aws(ana="crime-assets-code"), "is one of the program's own"),
        (on_aws(ana="Crime-Assets-Code"), "is one of the program's own"),
        (on_aws(ana="Crime-desk", desk="crime-desk"), "Two principals have the IAM role crime-desk"),
        (
            on_aws(ana="a").replace('tables = ["crimes", "insights"]\nclear', 'tables = ["audit"]\nclear'),
            "nothing to read",
        ),
        (on_aws(desk="a").replace("domestic = FALSE", "month IS NOT NULL"), "month, a date: Lake Formation compares"),
        (
            on_aws(desk="a").replace("domestic = FALSE", "case_number = 'X'"),
            "case_number, which the role sees masked",
        ),
        (
            on_aws(desk="a").replace('["011", "025"]', str([f"{n:03}" for n in range(300)])),
            "make it shorter, or split the principal",
        ),
    ],
)
def test_what_cannot_be_said_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        found(text)
