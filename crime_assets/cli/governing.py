"""The commands about who may see what, and who saw it. What they need is imported when one of them runs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from crime_assets.cli import arguments
from crime_assets.cli.terminal import answering
from crime_assets.core.errors import UsageError
from crime_assets.profiles import Profile

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from crime_assets.engines.answers import Answer


def add_commands(commands: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Add policy, audit, access and serve to the commands."""
    _add_policy(commands, common)
    _add_access(commands, common)

    audit = commands.add_parser("audit", help="look after the audit trail")
    verify = audit.add_subparsers(required=True, metavar="WHAT").add_parser(
        "verify", parents=[common], help="whether it is whole; then its head is noted with the anchors"
    )
    verify.set_defaults(command=_verify)

    serve = commands.add_parser("serve", parents=[common], help="answer everybody else by the policy")
    serve.add_argument("--address", metavar="URL", default="", help="answer also by TLS; people open the pages there")
    serve.add_argument("--certificate", metavar="FILE", default="", help="of the address, as PEM")
    serve.add_argument("--key", metavar="FILE", default="", help="of the certificate, as PEM")
    serve.add_argument("--bind", metavar="IP", default="127.0.0.1", help="where to listen; 0.0.0.0 is everywhere")
    serve.add_argument(
        "--port", type=arguments.port, default=0, help="where to listen, if it is not the port of the address"
    )
    serve.add_argument("--as-root", action="store_true", help="as root in spite of everything")
    serve.set_defaults(command=_serve)


def check_answering(profile: Profile) -> None:
    """UsageError where AWS answers people by the policy."""
    if profile.settings.policy is not None and profile.settings.aws is not None:
        raise UsageError(
            "On AWS, Lake Formation enforces the policy, and CloudTrail has the trail: ask Athena in your own role "
            "(docs/governance-aws.md)."
        )


def _add_policy(commands: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    policy = commands.add_parser("policy", help="check the policy, or see what somebody may see by it")
    asked = policy.add_subparsers(required=True, metavar="WHAT")
    check = asked.add_parser("check", parents=[common], help="whether the policy is right, and what it leaves out")
    check.set_defaults(command=_check)
    matrix = asked.add_parser("matrix", parents=[common], help="how every role sees every table and column")
    matrix.set_defaults(command=_matrix)
    explain = asked.add_parser("explain", parents=[common], help="what a principal sees: tables, rows and columns")
    explain.add_argument("principal", metavar="PRINCIPAL")
    explain.set_defaults(command=_explain)
    for engine, what in (("terraform", "what makes AWS enforce it, for Terraform"), ("trino", "Trino's rule file")):
        document = asked.add_parser(engine, parents=[common], help=f"print {what}")
        document.set_defaults(command=_document, engine=engine)


def _add_access(commands: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    access = commands.add_parser("access", help="give access and take it away; who may see what, and who did")
    which = access.add_subparsers(required=True, metavar="WHAT")
    grant = which.add_parser("grant", parents=[common], help="give somebody a role, in the policy's file")
    grant.add_argument("principal", metavar="PRINCIPAL")
    grant.add_argument("--role", required=True)
    grant.add_argument("--district", action="append", default=[], metavar="DISTRICT", help="one it is about; repeat it")
    grant.add_argument("--account", default="", help="the account of this machine that it is")
    grant.add_argument("--subject", default="", help="its name at the login's provider")
    grant.add_argument("--iam-role", default="", metavar="NAME", help="the role of AWS IAM that it is")
    grant.add_argument("--until", type=arguments.day, metavar="DAY", help="the last day, as YYYY-MM-DD")
    grant.set_defaults(command=_grant)
    revoke = which.add_parser("revoke", parents=[common], help="take all access of somebody away, tokens too")
    revoke.add_argument("principal", metavar="PRINCIPAL")
    revoke.set_defaults(command=_revoke)
    token = which.add_parser("token", parents=[common], help="make a token, which is shown this once")
    token.add_argument("principal", metavar="PRINCIPAL")
    token.add_argument(
        "--days", type=arguments.number, default=30, help="how long it is good, at most 90 (default: 30)"
    )
    token.set_defaults(command=_token)
    review = which.add_parser("review", parents=[common], help="everybody's access, and whether it is used")
    review.set_defaults(command=_review)
    who = which.add_parser("who", parents=[common], help="who saw a crime, or could have seen it")
    who.add_argument("id", metavar="ID", type=arguments.number)
    who.set_defaults(command=_who)


def _check(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.policy import checked

    return _print(checked(profile))


def _matrix(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.policy import matrix

    return _print(matrix(profile))


def _explain(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.policy import explained

    return _print(explained(profile, options.principal))


def _document(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.policy import compiled

    document, left_out = compiled(profile, options.engine)
    with answering() as out:
        out.write(document)
    # Not in the document alone: rules of Trino have no place for it, and who applies one does not read its first lines.
    for sentence in left_out:
        print(f"warning: {sentence}", file=sys.stderr)
    return 0


def _grant(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.granting import granted

    check_answering(profile)
    return _print(granted(profile, options))


def _revoke(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.granting import revoked

    check_answering(profile)
    return _print(revoked(profile, options.principal))


def _token(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.granting import token

    check_answering(profile)
    print(token(profile, options.principal, options.days))
    return 0


def _review(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.access import review

    check_answering(profile)
    return _print(review(profile))


def _who(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.access import who_saw

    check_answering(profile)
    return _print(who_saw(profile, options.id))


def _verify(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.policy import verified

    check_answering(profile)
    found, is_whole = verified(profile)
    _print(found)
    return 0 if is_whole else 1


def _serve(profile: Profile, options: Namespace) -> int:
    from crime_assets.cli.serving import serving

    check_answering(profile)
    serving(profile, options)
    return 0


def _print(found: Answer) -> int:
    from crime_assets.cli.output import write_answer

    with answering() as out:
        write_answer(found, "table", out)
    return 0
