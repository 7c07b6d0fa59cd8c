"""`crime-assets access grant`, `revoke` and `token`: who gets access, and who loses it."""

from __future__ import annotations

from argparse import Namespace

from crime_assets.cli.policy import access_of, account
from crime_assets.engines.answers import Answer, whole
from crime_assets.governance.granting import Granting
from crime_assets.governance.policy import Principal
from crime_assets.profiles import Profile


def granted(profile: Profile, options: Namespace) -> Answer:
    """Give somebody a role; what was given."""
    principal = Principal(
        options.principal,
        options.role,
        tuple(sorted(set(options.district))),
        options.account,
        options.subject,
        options.iam_role,
        options.until,
    )
    _granting(profile).grant(principal)
    until = f"until {options.until}" if options.until else "until it is revoked"
    return _said("granted", f"{options.principal} is {options.role} {until}")


def revoked(profile: Profile, principal: str) -> Answer:
    """Take all of somebody's access away."""
    tokens = _granting(profile).revoke(principal)
    return _said("revoked", f"{principal}, and {tokens} token{'' if tokens == 1 else 's'}")


def token(profile: Profile, principal: str, days: int) -> str:
    """A new token, which is shown this once."""
    return _granting(profile).token(principal, profile.today, days)


def _granting(profile: Profile) -> Granting:
    access, policy = access_of(profile), profile.settings.policy
    # What is wrong already is no reason to change it further.
    access.policy()
    assert policy is not None  # noqa: S101 - there is access by it
    return Granting(policy, access.trail, access.tokens, account(), access.check)


def _said(what: str, value: str) -> Answer:
    return whole(["what", "value"], [(what, value)])
