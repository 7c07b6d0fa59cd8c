"""A policy on the aws profile: AWS answers people, and a check says whether it does so as the policy says."""

from __future__ import annotations

import dagster as dg
import pytest

from crime_assets.cli.main import main
from crime_assets.definitions import build_defs
from crime_assets.defs.checks.verdicts import access_as_planned
from crime_assets.profiles import Settings, open_profile

POLICY = {"CRIME_POLICY": "/etc/policy.toml"}
AWS = {
    "CRIME_PROFILE": "aws",
    "CRIME_LAKE": "s3://city-lake/lake",
    "CRIME_LANDING": "s3://city-lake/landing",
    "CRIME_FIREHOSE": "crimes",
    "CRIME_FIRST_DAY": "2026-01-01",
    "AWS_REGION": "us-east-1",
}


def checks(variables: dict[str, str]) -> set[str]:
    """The checks of crimes that a graph has."""
    repository = build_defs(open_profile(Settings.from_environment(variables))).get_repository_def()
    return {key.name for key in repository.asset_checks_defs_by_key if key.asset_key == dg.AssetKey("crimes")}


def test_only_there_the_check_is() -> None:
    assert checks({**AWS, **POLICY}) - checks(AWS) == {"access_as_planned"}
    assert checks(POLICY) == checks({}) == checks(AWS)


def test_tables_of_the_services_trail_are_not_there() -> None:
    def assets(variables: dict[str, str]) -> set[str]:
        graph = build_defs(open_profile(Settings.from_environment(variables))).resolve_asset_graph()
        return {key.to_user_string() for key in graph.get_all_asset_keys()}

    assert assets({**AWS, **POLICY}) - assets(AWS) == {"governed_crimes"}
    assert {"audit_trail", "access_review"} <= assets(POLICY) - assets({})


@pytest.mark.parametrize("command", [["query", "SELECT 1"], ["serve"], ["audit", "verify"], ["dashboard"]])
def test_the_program_answers_nobody_there(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**AWS, **POLICY}.items():
        monkeypatch.setenv(name, value)
    assert main(command) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_the_verdict_names_the_first_difference_and_keeps_all() -> None:
    assert access_as_planned([]).passed
    found = access_as_planned(["One thing.", "Another."])
    assert (found.passed, found.is_error, found.sentence) == (False, True, "One thing. And 1 more.")
    assert found.figures == {"differences": ["One thing.", "Another."]}
