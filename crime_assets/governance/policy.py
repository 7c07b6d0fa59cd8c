"""The policy: one TOML file that says which columns are sensitive, what each role sees, and who has which role.

Whatever it does not name is seen by nobody. Nothing here looks at a lake: `scopes` does.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from crime_assets.core.errors import UsageError
from crime_assets.governance import filters
from crime_assets.governance.masks import MASKS, Mask

EVERYTHING = "*"
"""All tables, or all classes of columns: of roles that see the lake itself."""
INSIGHTS = "insights"
"""All tables of insights."""
CITY_INSIGHTS = "city_insights"
"""All tables of insights of the whole city, whatever the rows of the role, with small numbers hidden."""
AUDITS = ("audit", "access_review")
"""Tables that tell who saw what."""
ALERTS = "alerts"
"""Alerts of live reports: a page of those of the own districts, and no table that a query could ask."""
TABLES = ("crimes", "crimes_superseded", INSIGHTS, CITY_INSIGHTS, *AUDITS, ALERTS)
"""Tables that a role may be given: crimes that were removed are gone for all who do not see the lake itself."""
DISTRICT = re.compile(r"[0-9]{3}")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,126}")
_IAM_ROLE = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
_ISSUER = re.compile(r"https://[^/]|http://(127\.0\.0\.1|localhost)[:/]")
"""Without TLS, only on this machine."""
_LARGEST = 1 << 20
_LONGEST_FILTER = 2_000
_KEYS: Mapping[str, frozenset[str]] = {
    "the file": frozenset({"version", "city", "classes", "masks", "roles", "principals", "login"}),
    "login": frozenset({"issuer", "client", "methods", "notice"}),
    "role": frozenset({"tables", "rows", "clear", "mask", "purpose_required", "as_of"}),
    "principal": frozenset({"role", "districts", "os_user", "oidc", "iam_role", "expires"}),
}


@dataclass(frozen=True)
class Role:
    """What a role sees: tables, rows, and columns by their class: clear, masked, or not at all.

    `masks` maps a class or a column to the name of a mask; a column goes before its class. If a purpose is required,
    each question must say what it is for, such as the number of a case. `as_of`: it may ask what was known earlier.
    """

    name: str
    tables: frozenset[str]
    rows: str = ""
    clear: frozenset[str] = frozenset()
    masks: Mapping[str, str] = field(default_factory=dict)
    purpose_required: bool = False
    as_of: bool = False

    @property
    def is_unrestricted(self) -> bool:
        """Whether it sees the lake as it is."""
        return EVERYTHING in self.tables


@dataclass(frozen=True)
class Principal:
    """A person or program: a role, the districts that it is about, and how it is recognised.

    That is by the account of this machine, by the subject at the login's issuer, or as a role of AWS IAM.
    """

    name: str
    role: str
    districts: tuple[str, ...] = ()
    os_user: str = ""
    oidc: str = ""
    iam_role: str = ""
    expires: date | None = None


@dataclass(frozen=True)
class Login:
    """How people log in to pages: the OpenID provider and our name there, the ways of proving who one is of which it
    must have asked for one (`amr`, such as mfa; none is demanded if it is empty), and what they agree to before.
    """

    issuer: str = ""
    client: str = ""
    methods: tuple[str, ...] = ()
    notice: str = (
        "This system is for authorized use only. What you look at and download is recorded and reviewed; misuse can be "
        "punished. By going on you agree to that."
    )


@dataclass(frozen=True)
class Policy:
    """The whole file. `digest` is that of its bytes."""

    city: str
    classes: Mapping[str, tuple[str, ...]]
    masks: Mapping[str, Mask]
    roles: Mapping[str, Role]
    principals: Mapping[str, Principal]
    digest: str
    login: Login = Login()

    def class_of(self, column: str) -> str | None:
        """The class of a column; None if it stands nowhere."""
        return next((name for name, columns in self.classes.items() if column in columns), None)

    def principal(self, name: str, today: date) -> Principal:
        """A principal; UsageError if there is none of the name, or it has expired."""
        found = self.principals.get(name)
        if found is None:
            raise UsageError(f"{name[:130]!r} is not in the policy: ask who keeps it for access.")
        if found.expires is not None and found.expires < today:
            raise UsageError(f"The access of {name} ended on {found.expires}: ask who keeps the policy to renew it.")
        return found

    def of_os_user(self, user: str, today: date) -> Principal:
        """The principal that an account of this machine is; UsageError if it is none."""
        for name, found in self.principals.items():
            if user and found.os_user == user:
                return self.principal(name, today)
        raise UsageError(f"The account {user[:130]!r} is not in the policy: ask who keeps it for access.")

    def of_subject(self, subject: str, today: date) -> Principal:
        """The principal that the login's issuer knows by a subject; UsageError if it is none."""
        for name, found in self.principals.items():
            if subject and found.oidc == subject:
                return self.principal(name, today)
        raise UsageError("You are not in the policy: ask who keeps it for access.")


def read_policy(path: Path) -> Policy:
    """Read and check a policy; UsageError names what is wrong. Others than its owner must not be able to write it."""
    try:
        state = path.stat()
        content = path.read_bytes() if state.st_size <= _LARGEST else b""
    except OSError as error:
        raise UsageError(f"The policy {path} cannot be read ({error.strerror}): set CRIME_POLICY to it.") from error
    if not content:
        raise UsageError(f"The policy {path} is empty, or larger than any policy: set CRIME_POLICY to another file.")
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(f"Others than its owner may write the policy {path}: run `chmod go-w {path}`.")
    try:
        return parse_policy(content)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


@lru_cache(maxsize=4)
def parse_policy(content: bytes) -> Policy:
    """The policy of a file's bytes; UsageError names what is wrong."""
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"It is not TOML ({error}): mend that place.") from error
    _only(document, "the file", "the file")
    if document.get("version") != 1:
        raise UsageError("It must begin with version = 1.")
    classes = {name: _texts(columns, f"classes.{name}") for name, columns in _table(document, "classes").items()}
    masks = {name: _mask(name, told) for name, told in _table(document, "masks").items()}
    roles = {name: _role(name, told) for name, told in _table(document, "roles").items()}
    principals = {name: _principal(name, told) for name, told in _table(document, "principals").items()}
    city = _text(document.get("city"), "city")
    login = _login(document.get("login", {}))
    policy = Policy(city, classes, masks, roles, principals, sha256(content).hexdigest(), login)
    _check(policy)
    return policy


def _check(policy: Policy) -> None:
    """UsageError if its parts do not fit each other."""
    for name in (*policy.classes, *policy.masks, *policy.roles):
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name[:70]!r} is not a name: use small letters, digits and _, up to 63 of them.")
    columns = [column for named in policy.classes.values() for column in named]
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise UsageError(f"The column {twice[0]} is in two classes: leave it in one.")
    for role in policy.roles.values():
        _check_role(policy, role)
    for kind, what in (("os_user", "account"), ("oidc", "subject"), ("iam_role", "IAM role")):
        known = [name for found in policy.principals.values() if (name := getattr(found, kind))]
        # IAM does not tell capital letters from small ones.
        known = [name.casefold() for name in known] if kind == "iam_role" else known
        if twice := sorted(name for name, times in Counter(known).items() if times > 1):
            raise UsageError(f"Two principals have the {what} {twice[0]}: one person has one role.")
    if not policy.login.issuer and (lost := [found for found in policy.principals.values() if found.oidc]):
        raise UsageError(f"principals.{lost[0].name}: its oidc is a subject of no issuer: set issuer in [login].")
    for found in policy.principals.values():
        _check_principal(policy, found)


def _check_role(policy: Policy, role: Role) -> None:
    place = f"roles.{role.name}"
    known = {EVERYTHING, *TABLES}
    if unknown := sorted(role.tables - known):
        raise UsageError(f"{place}: there is no table {unknown[0]!r} to give; there are {', '.join(sorted(known))}.")
    if unknown := sorted(role.clear - {EVERYTHING, *policy.classes}):
        raise UsageError(f"{place}: there is no class {unknown[0]!r} of columns.")
    if role.is_unrestricted:
        if role.tables != {EVERYTHING} or role.clear != {EVERYTHING} or role.rows or role.masks:
            raise UsageError(
                f'{place}: who sees all tables sees all of them: write tables = ["*"], clear = ["*"] only.'
            )
        return
    if EVERYTHING in role.clear:
        raise UsageError(f'{place}: clear = ["*"] is for a role with tables = ["*"]: name the classes.')
    named = {column for columns in policy.classes.values() for column in columns}
    for what, mask in role.masks.items():
        if what not in policy.classes and what not in named:
            raise UsageError(f"{place}: it masks {what!r}, which is neither a class nor a column of one.")
        if mask not in policy.masks:
            raise UsageError(f"{place}: there is no mask {mask!r}.")
        if what in role.clear:
            raise UsageError(f"{place}: {what} is both clear and masked: leave it in one of them.")
    filters.check(role.rows, named, place)
    if ALERTS in role.tables and role.rows and not filters.is_within_districts(role.rows):
        raise UsageError(
            f"{place}: alerts have a district and nothing else that rows could be chosen by: begin rows with "
            "district IN (:districts) AND, or leave out alerts."
        )


def _check_principal(policy: Policy, found: Principal) -> None:
    place = f"principals.{found.name}"
    if not _PRINCIPAL.fullmatch(found.name):
        raise UsageError(f"{found.name[:130]!r} is not a principal's name: use letters, digits and . _ @ -.")
    if found.iam_role and not _IAM_ROLE.fullmatch(found.iam_role):
        raise UsageError(f"{place}: {found.iam_role[:70]!r} is not the name of an IAM role.")
    role = policy.roles.get(found.role)
    if role is None:
        raise UsageError(f"{place}: there is no role {found.role!r}.")
    if wrong := [district for district in found.districts if not DISTRICT.fullmatch(district)]:
        raise UsageError(f'{place}: {wrong[0]!r} is not a district: write three digits, such as "011".')
    if bool(found.districts) != filters.asks_for_districts(role.rows):
        said = "names no district, and its role needs some" if not found.districts else "names districts in vain"
        raise UsageError(f"{place}: it {said}: compare it with rows of roles.{role.name}.")


def _role(name: str, told: object) -> Role:
    place = f"roles.{name}"
    fields = _only(told, "role", place)
    masks = fields.get("mask", {})
    if not isinstance(masks, dict):
        raise UsageError(f'{place}.mask must be a table, such as {{ place = "cell" }}.')
    rows = _text(fields.get("rows", ""), f"{place}.rows")
    if len(rows) > _LONGEST_FILTER:
        raise UsageError(f"{place}.rows is longer than {_LONGEST_FILTER:,} characters: Lake Formation takes no more.")
    return Role(
        name,
        frozenset(_texts(fields.get("tables", []), f"{place}.tables")),
        rows,
        frozenset(_texts(fields.get("clear", []), f"{place}.clear")),
        {what: _text(mask, f"{place}.mask.{what}") for what, mask in masks.items()},
        _flag(fields, "purpose_required", place),
        _flag(fields, "as_of", place),
    )


def _login(told: object) -> Login:
    fields = _only(told, "login", "login")
    texts = {name: _text(fields[name], f"login.{name}") for name in ("issuer", "client", "notice") if name in fields}
    login = Login(**texts, methods=_texts(fields.get("methods", []), "login.methods"))
    if bool(login.issuer) != bool(login.client):
        raise UsageError("login must have both issuer and client, or neither.")
    if login.issuer and not _ISSUER.match(login.issuer):
        raise UsageError('login.issuer must be the address of an OpenID provider, such as "https://login.example".')
    return login


def _principal(name: str, told: object) -> Principal:
    place = f"principals.{name}"
    fields = _only(told, "principal", place)
    expires = fields.get("expires")
    # A time is a date, too, for Python.
    if expires is not None and type(expires) is not date:
        raise UsageError(f"{place}.expires must be a day, such as 2027-06-30, without quotes.")
    return Principal(
        name,
        _text(fields.get("role"), f"{place}.role"),
        tuple(sorted(set(_texts(fields.get("districts", []), f"{place}.districts")))),
        _text(fields.get("os_user", ""), f"{place}.os_user"),
        _text(fields.get("oidc", ""), f"{place}.oidc"),
        _text(fields.get("iam_role", ""), f"{place}.iam_role"),
        expires,
    )


def _mask(name: str, told: object) -> Mask:
    place = f"masks.{name}"
    if not isinstance(told, dict) or not isinstance(told.get("kind"), str) or told["kind"] not in MASKS:
        raise UsageError(f"{place} must be a table with a kind, one of {', '.join(sorted(MASKS))}.")
    kind = MASKS[told["kind"]]
    given = {key: value for key, value in told.items() if key != "kind"}
    if given.keys() != {kind.option}:
        raise UsageError(f"{place} must have kind and {kind.option}, and nothing else.")
    value = given[kind.option]
    if type(value) not in {int, str} or value not in kind.values:
        raise UsageError(f"{place}.{kind.option} must be one of {', '.join(map(str, kind.values))}.")
    return Mask(told["kind"], value)


def _only(told: object, kind: str, place: str) -> Mapping[str, Any]:
    """A table with the keys of its kind only."""
    if not isinstance(told, dict):
        raise UsageError(f"{place} must be a table.")
    if unknown := sorted(told.keys() - _KEYS[kind]):
        raise UsageError(f"{place}: {unknown[0]!r} means nothing here; it may have {', '.join(sorted(_KEYS[kind]))}.")
    return told


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise UsageError(f"{name} must be a table.")
    return found


def _texts(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UsageError(f'{place} must be a list of texts, such as ["011"].')
    return _once(value, place)


def _once(values: Sequence[str], place: str) -> tuple[str, ...]:
    if twice := [value for value in values if values.count(value) > 1]:
        raise UsageError(f"{place} has {twice[0]!r} twice.")
    return tuple(values)


def _flag(fields: Mapping[str, Any], name: str, place: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise UsageError(f"{place}.{name} must be true or false.")
    return value


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{place} must be a text in quotes.")
    return value


def unclassified(policy: Policy, columns: Collection[str]) -> list[str]:
    """Columns that stand in no class, so that nobody sees them."""
    return [column for column in columns if policy.class_of(column) is None]
