"""The command `crime-assets` and its subcommands. Parses, calls, prints; an error is one sentence."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from crime_assets.cli import arguments, governing, legacy, streaming
from crime_assets.cli.terminal import ReaderGone, answering, hold_descriptors, unbreakable
from crime_assets.core.errors import CrimeAssetsError, UsageError, chain
from crime_assets.lakehouse.place.lake import is_disk_full
from crime_assets.profiles import Profile, Settings, open_profile

if TYPE_CHECKING:
    from crime_assets.engines.answers import Answer


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
    run.add_argument("--from", dest="first", metavar="DAY", type=arguments.day, help="first change day, as YYYY-MM-DD")
    run.add_argument("--to", dest="last", metavar="DAY", type=arguments.day, help="last change day, as YYYY-MM-DD")
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
    for option, what in (("removed", "crimes are removed"), ("pulled", "records are pulled")):
        reconcile.add_argument(
            f"--most-{option}", metavar="N", type=arguments.number, help=f"the most {what} this time"
        )
    reconcile.set_defaults(command=_reconcile)

    reload = commands.add_parser(
        "reload", parents=[common], help="load the source's history again and merge it into what is there"
    )
    reload.set_defaults(command=_reload)

    rebuild = commands.add_parser("rebuild-catalog", parents=[common], help="rebuild a lost catalog from the tables")
    rebuild.set_defaults(command=_rebuild_catalog)

    status = commands.add_parser("status", parents=[common], help="show what the lake holds")
    status.set_defaults(command=_status)

    governing.add_commands(commands, common)
    streaming.add_commands(commands, common)
    legacy.add_commands(commands, common)

    dashboard = commands.add_parser("dashboard", parents=[common], help="show the figures, on this machine only")
    dashboard.add_argument("--port", type=arguments.port, default=8500)
    dashboard.set_defaults(command=_dashboard)

    dbt = commands.add_parser("dbt", help="read the tables with dbt")
    init = dbt.add_subparsers(required=True, metavar="WHAT").add_parser(
        "init", parents=[common], help="write a dbt project on this lake, or its sources again where there is one"
    )
    init.add_argument("directory", metavar="DIR", type=Path)
    init.set_defaults(command=_dbt_init)

    dev = commands.add_parser("dev", parents=[common], help="start Dagster's UI and daemon on this lake")
    dev.add_argument("--port", type=arguments.port, default=3000)
    dev.set_defaults(command=_dev)
    return parser


def _run(profile: Profile, options: argparse.Namespace) -> int:
    # Dagster takes half a second to import; the other commands do not need it.
    from crime_assets.cli.runner import run

    return run(profile, options.first, options.last, insights=options.insights)


def _query(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.output import write_answer
    from crime_assets.cli.status import check_whole

    if not options.sql.strip():
        raise UsageError("The query is empty: write SQL, such as SELECT count(*) FROM crimes.")
    governing.check_answering(profile)
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
    from crime_assets.cli.policy import account
    from crime_assets.governance.access import Question
    from crime_assets.governance.principals import Who

    try:
        who = Who("peer", account(), f"pid {os.getpid()}")
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


def _dashboard(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.publishing.dashboard.serving import serve

    if profile.settings.policy is not None:
        raise UsageError(
            "The dashboard shows the figures of all districts, and there is a policy (CRIME_POLICY): start "
            "`crime-assets serve --address`, which shows each person what is theirs."
        )
    return serve(profile, options.port)


def _dbt_init(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.publishing.dbt.project import init

    written = init(profile, options.directory)
    print(f"Written in {options.directory}: {', '.join(written)}.")
    return 0


def _dev(profile: Profile, options: argparse.Namespace) -> int:
    from crime_assets.cli.runner import dev

    return dev(profile, options.port)
