"""Running the graph as a command: which days to run, progress, and a short table of the results."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote
from uuid import uuid4

import dagster as dg

from crime_assets.analysis.forecasts.made import is_made_for
from crime_assets.cli.output import write_answer
from crime_assets.cli.status import lake_status
from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.definitions import build_defs
from crime_assets.defs.automation.jobs import BACKFILL, BOUNDARIES, CITIES, FORECAST, LOAD_HISTORY, RUN
from crime_assets.defs.automation.notices import announce_run
from crime_assets.defs.partitions import range_tags
from crime_assets.defs.progress import say
from crime_assets.defs.work.forecast_inputs import obstacle
from crime_assets.defs.work.forecasting import awaited
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.profiles import FIRST_RUN_DAYS, Profile
from crime_assets.profiles.clock import check_clock, check_reach
from crime_assets.streams.holes import Range, missing_days, named, ranges_to_pull
from crime_assets.streams.pull import days_between

_EARLIEST = date(1970, 1, 1)
_PROJECT = Path(__file__).parents[2]
_CONFIGURATION = _PROJECT / "dagster.yaml"


def run(profile: Profile, first: date | None, last: date | None, *, insights: bool = True) -> int:
    """Load the history unless it is there, then run the change days from `first` to `last`; returns the exit code.

    Without `first`, all earlier days that the lake lacks are run too, oldest first. Without `insights` the graph is
    run as far as `crimes`.
    """
    _check_path(profile)
    with closing(profile.engine), profile.lake.writing(wait_seconds=0):
        check_clock(profile)
        loaded = history_before(profile.lake, profile.city) is not None
        # If days were pulled, the lake has begun, though its tables may have to be filled again.
        is_settled = loaded or profile.lake.has_pulled(profile.city.name)
        is_open, is_end_named = first is None, last is not None
        first, last = choose_days(profile, first, last, loaded=is_settled)
        profile.begin(first, anew=not is_settled)
        if loaded and not is_end_named:
            check_reach(profile, last)
        ranges = catching_up(profile, first, last) if is_open and is_settled else [(first, last)]
        prepare_home(profile)
        definitions = build_defs(profile)
        with dg.DagsterInstance.get() as instance:
            if not loaded:
                before = profile.first_change_day
                say(f"Loading the history of {profile.city.title} before {before} ({profile.feed.name} feed)")
                execute(profile, definitions, LOAD_HISTORY, instance)
            if lacks_own_map(profile):
                say(f"Drawing the map of the simulated {profile.city.title}")
                execute(profile, definitions, BOUNDARIES, instance)
            evaluations: dict[str, dg.AssetCheckEvaluation] = {}
            for days in ranges:
                say(f"Running change days {days[0]} to {days[1]} ({profile.feed.name} feed)")
                done = execute(profile, definitions, RUN if insights else BACKFILL, instance, range_tags(*days))
                # The last range decides the exit code, but blocked days of any range are reported.
                for found in done.get_asset_check_evaluations():
                    if not _blocks(evaluations.get(found.check_name)):
                        evaluations[found.check_name] = found
            if insights and is_made_for(profile.city):
                evaluations.update(_forecast(profile, definitions, instance))
            if insights and compares_cities(profile):
                say("Counting what may be compared across cities")
                execute(profile, definitions, CITIES, instance, range_tags(last, last))
    return _report(profile, last, list(evaluations.values()))


def dev(profile: Profile, port: int) -> int:
    """Become `dagster dev` on this lake: UI and daemon, on loopback. With CRIME_DBT, models of dbt are there too.

    Each of several cities is a code location, a process of its own: one that cannot be loaded stops no other.
    """
    of_dbt = []
    if profile.settings.dbt is not None:
        if find_spec("dagster_dbt") is None:
            raise UsageError("CRIME_DBT is set, but dbt is not installed here: docs/dbt.md says how, or unset it.")
        of_dbt = ["-w", str(_PROJECT / "workspace-dbt.yaml")]
        os.environ["CRIME_DBT"] = str(profile.settings.dbt)
    prepare_home(profile)
    workspace = str(_workspace(profile.settings.cities))
    program = Path(sys.executable).with_name("dagster")
    command = [str(program), "dev", "-w", workspace, *of_dbt, "-h", "127.0.0.1", "-p", str(port)]
    os.execv(program, command)  # noqa: S606 - a program of this environment; no shell is intended


def _workspace(cities: Sequence[str]) -> Path:
    """What `dagster dev` opens: the project's own file, or for several cities one that is written beside Dagster's."""
    if not cities:
        return _PROJECT / "workspace.yaml"
    path = Path(os.environ["DAGSTER_HOME"]) / "workspace-cities.yaml"
    module = "crime_assets.definitions"
    locations = [
        {"python_module": {"module_name": module, "attribute": city, "location_name": city}} for city in cities
    ]
    # All JSON is YAML.
    path.write_text(f"# Written by `crime-assets dev`.\n{json.dumps({'load_from': locations}, indent=2)}\n")
    return path


def choose_days(profile: Profile, first: date | None, last: date | None, *, loaded: bool) -> tuple[date, date]:
    """The change days to run: those asked for, else the last seven.

    `loaded` says whether the lake holds its history; only then, or on AWS, is its first change day fixed.
    """
    newest = profile.feed.latest_day()
    for day, option in ((first, "--from"), (last, "--to")):
        if day is not None and day > newest:
            raise CrimeAssetsError(
                f"The source has change days only up to {newest}, not {day}: run with {option} {newest}."
            )
    begins = profile.first_change_day if loaded or profile.settings.aws else None
    if begins is not None and first is None and (last or newest) < begins:
        raise _before_the_lake(begins, newest, profile.today, is_asked=last is not None)
    last = last or newest
    if first is None:
        # Without change stamps all that was published until now is history.
        days = FIRST_RUN_DAYS if profile.city.change_field else 1
        first = last - timedelta(days=days - 1)
        first = max(begins, first) if begins is not None else first
    if begins is not None and first < begins:
        raise UsageError(
            f"The lake begins with change day {begins}; everything before it is history: run with --from {begins} "
            "or later, or set another CRIME_HOME to begin earlier."
        )
    if first < _EARLIEST:
        raise UsageError(f"--from {first} is too early: give {_EARLIEST} or a later day.")
    if first > last:
        raise UsageError(f"--from {first} is after --to {last}: swap them, or leave one out.")
    return first, last


def _before_the_lake(begins: date, newest: date, today: date, *, is_asked: bool) -> CrimeAssetsError:
    if is_asked:
        return UsageError(
            f"The lake begins with change day {begins}; everything before it is history: run with --to {begins} or "
            "later."
        )
    return CrimeAssetsError(
        f"The lake begins with change day {begins}, but its source ends with {newest} and the clock of this machine "
        f"says that it is {today}: check that clock and source are right, or run again when {begins} has ended."
    )


def catching_up(profile: Profile, first: date, last: date) -> list[Range]:
    """The days from `first` to `last` and all earlier ones that the lake lacks, as ranges in order.

    Prints what it lacks. A person waits for the end, and expects the lake to be complete by then, however long nobody
    ran it.
    """
    missing = missing_days(profile.landing, profile.city.name, profile.first_change_day, first - timedelta(days=1))
    if missing:
        say(
            f"The lake lacks {len(missing):,} older change days ({named(missing)}): all are run now, oldest first. "
            "You can interrupt this and run again to continue."
        )
    return ranges_to_pull([*missing, *days_between(first, last)])


def lacks_own_map(profile: Profile) -> bool:
    """Whether the city is simulated and its map not drawn yet: that asks nobody, so nobody waits for a month to end."""
    if profile.settings.feed != "sample" or profile.settings.boundaries or profile.boundaries is None:
        return False
    city = profile.city
    return any(profile.landing.read(keys.boundaries(city.name, layer)) is None for layer in city.boundaries)


def compares_cities(profile: Profile) -> bool:
    """Whether there is anything to compare: another city in the lake, which is a local one without a policy."""
    is_plain = profile.settings.policy is None and profile.settings.aws is None
    return is_plain and len(profile.lake.cities) > 1


def _check_path(profile: Profile) -> None:
    """UsageError if Dagster would use another directory: it URL-decodes the path of its SQLite files."""
    if unquote(home := str(profile.settings.home)) != home:
        raise UsageError(f"Dagster cannot keep its files in {home}: set CRIME_HOME to a path without %.")


def prepare_home(profile: Profile) -> None:
    """Let Dagster keep its files in the lake, with the project's dagster.yaml, unless DAGSTER_HOME is set."""
    _check_path(profile)
    # Before Dagster opens its files: a copy made with hard links shares them with another lake.
    profile.lake.settle()
    # Code servers and runs are processes of their own and must find the same lake from any directory.
    os.environ["CRIME_HOME"] = str(profile.settings.home)
    if profile.settings.dagster_home is not None:
        return
    home = profile.settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    link = home / _CONFIGURATION.name
    if _CONFIGURATION.exists() and not (link.is_symlink() and link.resolve() == _CONFIGURATION):
        link.unlink(missing_ok=True)
        link.symlink_to(_CONFIGURATION)
    os.environ["DAGSTER_HOME"] = str(home)


def execute(
    profile: Profile,
    definitions: dg.Definitions,
    job: str,
    instance: dg.DagsterInstance,
    tags: Mapping[str, str] = MappingProxyType({}),
    ops: Mapping[str, object] = MappingProxyType({}),
) -> dg.ExecuteInProcessResult:
    """Run a job in this process, printing a line as each step ends; `tags` name the days, `ops` is run config."""
    run_id = str(uuid4())
    is_of_days = bool(tags)
    try:
        with _held_open(instance, run_id):
            result = definitions.resolve_job_def(job).execute_in_process(
                run_id=run_id,
                instance=instance,
                tags=dict(tags),
                run_config={"loggers": {"progress": {}}, "ops": dict(ops)},
                raise_on_error=True,
            )
    except Exception as error:
        _announce(profile, instance, run_id)
        if blocked := _blocked(instance, run_id):
            raise CrimeAssetsError(blocked) from error
        raise
    if is_of_days:
        _announce(profile, instance, run_id)
    return result


def _blocked(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the first blocking check that failed in a run says, and how many others failed; empty if none did."""
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [entry.dagster_event.asset_check_evaluation_data for entry in events if entry.dagster_event]
    failed = [one for one in found if one.blocking and _blocks(one)]
    if not failed:
        return ""
    others = f" Blocking checks that fail as well: {', '.join(one.check_name for one in failed[1:])}."
    return f"The check {failed[0].check_name} fails: {failed[0].description}{others if failed[1:] else ''}"


def _announce(profile: Profile, instance: dg.DagsterInstance, run_id: str) -> None:
    """Announce the outcome of a run. The daemon's sensors do not see runs of this process."""
    if profile.notices is not None:
        announce_run(instance, run_id, profile, profile.notices, say)


@contextmanager
def _held_open(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Keep the SQLite files open in which Dagster writes the events of a run.

    Dagster opens and closes them for each event. Whenever the last user of a file closes it, SQLite moves its log into
    the file and deletes the log, which takes longer than writing the event: a third of the time for a year's events.
    What is committed is on disk either way.
    """
    from dagster._core.storage.event_log import SqliteEventLogStorage

    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    with storage.run_connection(run_id):
        pass  # The run's file exists from now on.
    with ExitStack() as held:
        for shard in ("index", run_id):
            file = held.enter_context(closing(sqlite3.connect(storage.path_for_shard(shard))))
            # Only a statement opens the log; one that is not read to its end would keep the log from being emptied.
            file.execute("PRAGMA schema_version").fetchall()
        yield


def _blocks(found: dg.AssetCheckEvaluation | None) -> bool:
    return found is not None and not found.passed and found.severity == dg.AssetCheckSeverity.ERROR


def _forecast(
    profile: Profile, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> dict[str, dg.AssetCheckEvaluation]:
    """Forecast from the newest Sunday, unless that was done or there is nothing to do it from; its checks by name."""
    sunday = awaited(profile)
    if sunday is None:
        return {}
    if reason := obstacle(profile, profile.engine, sunday):
        say(f"Not forecasting from {sunday}: {reason}.")
        return {}
    say(f"Forecasting from {sunday}")
    done = execute(profile, definitions, FORECAST, instance, range_tags(sunday, sunday))
    return {found.check_name: found for found in done.get_asset_check_evaluations()}


def _report(profile: Profile, last: date, evaluations: list[dg.AssetCheckEvaluation]) -> int:
    failed = [found for found in evaluations if not found.passed]
    blocking = [found for found in failed if _blocks(found)]
    print()
    write_answer(lake_status(profile), "table", sys.stdout)
    print(f"\nChecks: {len(evaluations) - len(failed)} of {len(evaluations)} passed.")
    for found in failed:
        print(f"  {found.check_name}: {found.description}")
    sql = "SELECT primary_type, crimes FROM insight_top_crime_types WHERE period = '28d' "
    print(
        "\nNext:\n"
        f"  .venv/bin/crime-assets query \"{sql}AND as_of_day = DATE '{last}' ORDER BY type_rank LIMIT 10\"\n"
        "  make dev                       # the graph, its runs and checks on http://127.0.0.1:3000\n"
        "  .venv/bin/crime-assets status  # what the lake holds"
    )
    return 1 if blocking else 0
