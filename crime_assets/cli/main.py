"""The command `crime-assets` and its subcommands. Parses, calls, prints; an error is one sentence."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from crime_assets.cli.terminal import ReaderGone, answering, hold_descriptors, unbreakable
from crime_assets.core.errors import CrimeAssetsError, UsageError, chain
from crime_assets.lakehouse.place.lake import is_disk_full
from crime_assets.profiles import Profile, Settings, open_profile

if TYPE_CHECKING:
    from crime_assets.engines.answers import Answer

_MOST_PORT = 65_535


def program() -> NoReturn:
    """The console script: `main` without the waits at both ends, together a fifth of a day's run.

    Objects made by imports are not searched for garbage every few hundred objects, and not freed before the end.
    """
    hold_descriptors()
    gc.set_threshold(100_000)
    with unbreakable():
        try:
            code = _command(sys.argv[1:])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        except Exception:
            # What --debug lets through: os._exit below would end the process without printing it.
            traceback.print_exc()
            code = 1
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 a check failed or data is missing, 2 wrong usage."""
    with unbreakable():
        return _command(arguments)


def _command(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(open_profile(Settings.from_environment()), options)
        return code
    except ReaderGone:
        return 0
    except KeyboardInterrupt:
        print("Stopped. Nothing was half-written: run again to continue.", file=sys.stderr)
        return 130
    except Exception as error:
        if options.debug:
            raise
        sentence, code = _explain(error)
        print(f"crime-assets: {sentence}", file=sys.stderr)
        return code


def _explain(error: BaseException) -> tuple[str, int]:
    """One sentence for a person, and the exit code."""
    for cause in chain(error):
        if isinstance(cause, CrimeAssetsError):
            return str(cause), cause.exit_code
    if is_disk_full(error):
        return "The disk is full: free some space and run again; nothing was half-written.", 1
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used ({error.strerror}): fix that, or set another CRIME_HOME.", 1
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]} (run again with --debug for the traceback).", 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crime-assets", description="City crime records as a trustworthy lakehouse.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", parents=[common], help="load the history once, then run change days")
    run.add_argument("--from", dest="first", metavar="DAY", type=_day, help="first change day, as YYYY-MM-DD")
    run.add_argument("--to", dest="last", metavar="DAY", type=_day, help="last change day, as YYYY-MM-DD")
    run.add_argument(
        "--no-insights", dest="insights", action="store_false", help="stop after crimes, to fill in many days"
    )
    run.set_defaults(command=_run)

    query = commands.add_parser("query", parents=[common], help="ask the tables of the lake")
    query.add_argument("sql", metavar="SQL")
    query.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="table for people; csv and json come row by row, with every column: a second n is called n_2",
    )
    query.add_argument(
        "--as-of", metavar="SNAPSHOT_OR_TIME", help="crimes as of a snapshot id, a time (UTC) or a change day"
    )
    query.add_argument("--purpose", default="", help="what it is for, such as a case's number, where a policy asks")
    query.set_defaults(command=_query)

    reconcile = commands.add_parser(
        "reconcile", parents=[common], help="compare the lake with its source now: missed changes, removed crimes"
    )
    for option, what in (("removed", "crimes that may be removed"), ("pulled", "records that may be pulled")):
        reconcile.add_argument(f"--most-{option}", metavar="N", type=_number, help=f"the most {what} this time")
    reconcile.set_defaults(command=_reconcile)

    reload = commands.add_parser(
        "reload", parents=[common], help="load the source's history again and merge it into what is there"
    )
    reload.set_defaults(command=_reload)

    rebuild = commands.add_parser("rebuild-catalog", parents=[common], help="rebuild a lost catalog from the tables")
    rebuild.set_defaults(command=_rebuild_catalog)

    status = commands.add_parser("status", parents=[common], help="show what the lake holds")
    status.set_defaults(command=_status)

    _add_governance(commands, common)

    dashboard = commands.add_parser("dashboard", parents=[common], help="show the figures, on this machine only")
    dashboard.add_argument("--port", type=_port, default=8500)
    dashboard.set_defaults(command=_dashboard)

    dev = commands.add_parser("dev", parents=[common], help="start Dagster's UI and daemon on this lake")
    dev.add_argument("--port", type=_port, default=3000)
    dev.set_defaults(command=_dev)
    return parser


def _add_governance(commands: Any, common: argparse.ArgumentParser) -> None:
    """The commands about who may see what, and who saw it."""
    policy = commands.add_parser("policy", help="check the policy, or see what somebody may see by it")
    asked = policy.add_subparsers(required=True, metavar="WHAT")
    check = asked.add_parser("check", parents=[common], help="whether the policy is right, and what it leaves out")
    check.set_defaults(command=_policy, principal=None, matrix=False)
    matrix = asked.add_parser("matrix", parents=[common], help="how every role sees every table and column")
    matrix.set_defaults(command=_policy, principal=None, matrix=True)
    explain = asked.add_parser("explain", parents=[common], help="what a principal sees: tables, rows and columns")
    explain.add_argument("principal", metavar="PRINCIPAL")
    explain.set_defaults(command=_policy, matrix=False)

    audit = commands.add_parser("audit", help="look after the audit trail")
    verify = audit.add_subparsers(required=True, metavar="WHAT").add_parser(
        "verify", parents=[common], help="whether it is whole; then its head is noted with the anchors"
    )
    verify.set_defaults(command=_verify)

    serve = commands.add_parser("serve", parents=[common], help="answer the accounts of this machine by the policy")
    serve.add_argument("--address", metavar="URL", default="", help="answer also by TLS; people open the pages there")
    serve.add_argument("--certificate", metavar="FILE", default="", help="of the address, as PEM")
    serve.add_argument("--key", metavar="FILE", default="", help="of the certificate, as PEM")
    serve.add_argument("--bind", metavar="IP", default="127.0.0.1", help="where to listen; 0.0.0.0 is everywhere")
    serve.add_argument("--port", type=_port, default=0, help="where to listen, if it is not the port of the address")
    serve.add_argument("--as-root", action="store_true", help="as root in spite of everything")
    serve.set_defaults(command=_serve)

    access = commands.add_parser("access", help="give access, and take it away")
    which = access.add_subparsers(required=True, metavar="WHAT")
    grant = which.add_parser("grant", parents=[common], help="give somebody a role, in the policy's file")
    grant.add_argument("principal", metavar="PRINCIPAL")
    grant.add_argument("--role", required=True)
    grant.add_argument("--district", action="append", default=[], metavar="DISTRICT", help="one it is about; repeat it")
    grant.add_argument("--account", default="", help="the account of this machine that it is")
    grant.add_argument("--subject", default="", help="its name at the login's provider")
    grant.add_argument("--iam-role", default="", metavar="NAME", help="the role of AWS IAM that it is")
    grant.add_argument("--until", type=_day, metavar="DAY", help="the last day, as YYYY-MM-DD")
    grant.set_defaults(command=_grant)
    revoke = which.add_parser("revoke", parents=[common], help="take all access of somebody away, tokens too")
    revoke.add_argument("principal", metavar="PRINCIPAL")
    revoke.set_defaults(command=_revoke)
    token = which.add_parser("token", parents=[common], help="make a token, which is shown this once")
    token.add_argument("principal", metavar="PRINCIPAL")
    token.add_argument("--days", type=_number, default=30, help="how long it is good, at most 90 (default: 30)")
    token.set_defaults(command=_token)


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day: write it as YYYY-MM-DD") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number: give a whole number, 0 or more")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to {_MOST_PORT}")
    return int(text)


def _run(profile: Profile, options: argparse.Namespace) -> int:
    # Dagster takes half a second to import; the other commands do not need it.
    from crime_assets.cli.runner import run

    return run(profile, options.first, options.last, insights=options.insights)


def _query(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.output import write_answer
    from crime_assets.cli.status import check_whole

    if not options.sql.strip():
        raise UsageError("The query is empty: write SQL, such as SELECT count(*) FROM crimes.")
    if profile.settings.socket is not None or profile.settings.service:
        from crime_assets.cli.asking import ask

        with answering() as out:
            ask(profile.settings, options.sql, options.format, options.as_of, options.purpose, out)
        return 0
    check_whole(profile)
    with _answer(profile, options) as answer, answering() as out:
        write_answer(answer, options.format, out)
    return 0


def _answer(profile: Profile, options: argparse.Namespace) -> Answer:
    """The answer by the policy, if there is one, to whose account this is."""
    access = profile.access
    if access is None:
        return profile.engine.query(options.sql, options.as_of)
    import pwd

    from crime_assets.governance.access import Question
    from crime_assets.governance.principals import Who

    user = pwd.getpwuid(os.geteuid()).pw_name
    try:
        who = Who("peer", user, f"pid {os.getpid()}")
        return access.answer(Question(who, options.sql, options.as_of, options.purpose))
    finally:
        access.close()


def _reconcile(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.reconcile import reconcile

    return reconcile(profile, options.most_removed, options.most_pulled)


def _reload(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.recovery import reload

    return reload(profile)


def _rebuild_catalog(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.recovery import rebuild_catalog

    return rebuild_catalog(profile)


def _status(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.output import write_answer
    from crime_assets.cli.status import lake_status

    with answering() as out:
        write_answer(lake_status(profile), "table", out)
    return 0


def _policy(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.output import write_answer
    from crime_assets.cli.policy import checked, explained, matrix

    if options.principal is not None:
        found = explained(profile, options.principal)
    else:
        found = matrix(profile) if options.matrix else checked(profile)
    with answering() as out:
        write_answer(found, "table", out)
    return 0


def _serve(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.serving import serving

    serving(profile, options)
    return 0


def _grant(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.access import granted

    return _shown(granted(profile, options))


def _revoke(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.access import revoked

    return _shown(revoked(profile, options.principal))


def _token(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.access import token

    print(token(profile, options.principal, options.days))
    return 0


def _shown(found: Answer) -> int:
    from crime_assets.cli.output import write_answer

    with answering() as out:
        write_answer(found, "table", out)
    return 0


def _verify(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.output import write_answer
    from crime_assets.cli.policy import verified

    found, is_whole = verified(profile)
    with answering() as out:
        write_answer(found, "table", out)
    return 0 if is_whole else 1


def _dashboard(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.publishing.dashboard.serving import serve

    if profile.settings.policy is not None:
        raise UsageError(
            "The dashboard shows the figures of all districts, and there is a policy (CRIME_POLICY): start "
            "`crime-assets serve --address`, which shows each person what is theirs."
        )
    return serve(profile, options.port)


def _dev(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.runner import dev

    return dev(profile, options.port)
