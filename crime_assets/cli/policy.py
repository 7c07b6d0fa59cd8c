"""`crime-assets policy` and `audit`: is the policy right, what does a principal see by it, and is the trail whole?"""

from __future__ import annotations

import json
import os
import pwd
from typing import Any

from crime_assets.analysis.made import insights_of
from crime_assets.core.errors import LakeError, UsageError
from crime_assets.engines.answers import Answer, whole
from crime_assets.governance import trino
from crime_assets.governance.access import Access
from crime_assets.governance.aws import terraform
from crime_assets.governance.aws.readers import readers
from crime_assets.governance.finer import finer_than_masks
from crime_assets.governance.gates import seen_columns
from crime_assets.governance.policy import CITY_INSIGHTS, INSIGHTS, TABLES, Principal, unclassified
from crime_assets.governance.scopes import Scope
from crime_assets.profiles import Profile
from crime_assets.publishing.governed.extracts import lacking_for_pages

_NO_SMALL = "without small numbers"
_SOME_DISTRICT = ("001",)
"""Columns do not depend on the district."""


def access_of(profile: Profile) -> Access:
    """Access by the policy; UsageError if none is set."""
    if profile.access is None:
        raise UsageError("There is no policy, so whoever reads the files sees all: set CRIME_POLICY to one.")
    return profile.access


def asker() -> dict[str, Any]:
    """Who runs this command, as the trail says it."""
    return {"account": account(), "how": "peer", "source": f"pid {os.getpid()}"}


def account() -> str:
    """The name of the account that runs this command."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def checked(profile: Profile) -> Answer:
    """What the policy holds, and what it leaves out; UsageError if it is wrong."""
    policy = access_of(profile).policy()
    types = seen_columns(profile.lake, profile.city)
    hidden = unclassified(policy, types)
    rows: list[tuple[str, object]] = [
        ("policy", str(profile.settings.policy)),
        ("digest", policy.digest[:16]),
        ("roles", ", ".join(policy.roles)),
        ("principals", len(policy.principals)),
        ("columns in no class, seen by nobody", ", ".join(hidden) or "none"),
    ]
    on_aws = readers(policy, types)
    rows += [("IAM roles", ", ".join(reader.iam_role for reader in on_aws))] if on_aws else []
    rows += [("on AWS", sentence) for reader in on_aws for sentence in reader.left_out]
    return whole(["what", "value"], rows)


def explained(profile: Profile, principal: str) -> Answer:
    """What a principal sees: tables, rows, and each column."""
    access = access_of(profile)
    policy = access.policy()
    found = policy.principal(principal, profile.today)
    role, scope = found.role, access.scope(policy, found)
    if scope is None:
        return whole(["what", "value"], [("role", role), ("sees", "the lake itself: all tables, rows and columns")])
    rows: list[tuple[str, object]] = [("role", role), ("rows", scope.rows if scope.rows != "TRUE" else "all")]
    rows += [(f"column {name}", said) for name, said in _columns(profile, scope)]
    rows += [(f"table {name}", "clear") for name in sorted(scope.tables - {INSIGHTS, CITY_INSIGHTS})]
    rows += [
        (f"table {insight.table}", _said(scope.columns_of(insight), insight.columns))
        for insight in insights_of(profile.city)
    ]
    lacking = lacking_for_pages(profile.city, scope)
    rows.append(("pages", f"none: they need {', '.join(lacking)}" if lacking else "of these rows"))
    rows += [(f"table city_{insight.table}", _of_city(scope)) for insight in insights_of(profile.city)]
    if finer := finer_than_masks(scope):
        rows.append(("warning", f"{', '.join(finer)} say more of a place, a time or a text than its mask lets see"))
    return whole(["what", "value"], rows)


def matrix(profile: Profile) -> Answer:
    """Every table and column by role: what nobody decided about is hidden."""
    access = access_of(profile)
    policy = access.policy()
    roles = list(policy.roles)
    scopes = [access.scope(policy, Principal(role, role, _SOME_DISTRICT)) for role in roles]
    columns = seen_columns(profile.lake, profile.city)
    rows: list[tuple[object, ...]] = []
    for name in columns:
        rows.append((f"crimes.{name}", *(_seen(scope, name) for scope in scopes)))
    for name in TABLES:
        if name not in {INSIGHTS, CITY_INSIGHTS}:
            rows.append((name, *("clear" if scope is None or name in scope.tables else "hidden" for scope in scopes)))
    for insight in insights_of(profile.city):
        told = ("clear" if scope is None else _said(scope.columns_of(insight), insight.columns) for scope in scopes)
        rows.append((insight.table, *told))
    for insight in insights_of(profile.city):
        rows.append((f"city_{insight.table}", *map(_of_city, scopes)))
    return whole(["table or column", *roles], rows)


def compiled(profile: Profile, engine: str) -> tuple[str, list[str]]:
    """The policy as `terraform` or `trino` reads it, and how people see more or less by it than the policy says.

    UsageError if the policy has something that cannot be said there.
    """
    policy = access_of(profile).policy()
    types = seen_columns(profile.lake, profile.city)
    if engine == "trino":
        document, left_out = trino.rules(policy, types), trino.left_out(policy, types)
    else:
        found = readers(policy, types)
        document, left_out = terraform.document(policy.city, found), [one for each in found for one in each.left_out]
    return f"{json.dumps(document, indent=2)}\n", left_out


def verified(profile: Profile) -> tuple[Answer, bool]:
    """What became of the audit trail, and whether it is whole. Its head is noted with the anchors if it is.

    That somebody looked is a line of it, too.
    """
    trail = access_of(profile).trail
    verdict = trail.verify()
    told: dict[str, Any] = {"lines": verdict.lines, "anchored": verdict.anchored, "problems": len(verdict.problems)}
    try:
        trail.append("verify", **asker(), **told)
        if not verdict.problems:
            trail.anchor()
    except LakeError:
        # What is wrong with it may be that nothing can be added.
        if not verdict.problems:
            raise
    rows: list[tuple[str, object]] = [
        ("lines", verdict.lines),
        ("vouched for by anchors, up to line", verdict.anchored),
    ]
    rows += [("problem", problem) for problem in verdict.problems] or [("problems", "none")]
    return whole(["what", "value"], rows), not verdict.problems


def _columns(profile: Profile, scope: Scope) -> list[tuple[str, str]]:
    return [(name, _seen(scope, name)) for name in seen_columns(profile.lake, profile.city)]


def _seen(scope: Scope | None, column: str) -> str:
    """How a column of crimes is seen; without a scope, the lake itself."""
    if scope is None:
        return "clear"
    mask = scope.columns.get(column)
    return "hidden" if column not in scope.columns else f"masked: {mask}" if mask else "clear"


def _of_city(scope: Scope | None) -> str:
    """How the figures of the whole city are seen; who sees the lake itself has the insights, and needs none."""
    return _NO_SMALL if scope is not None and CITY_INSIGHTS in scope.tables else "hidden"


def _said(seen: tuple[str, ...], columns: tuple[object, ...]) -> str:
    if not seen:
        return "hidden"
    left_out = len(columns) - len(seen)
    return f"without {left_out} column{'s'[: left_out > 1]}" if left_out else "clear"
