"""A ten-day run that is killed, once or several times, ends after a plain re-run as if it had not been."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from pathlib import Path

import pytest

from crime_assets_tests.stress.runs import (
    Moment,
    Scenario,
    Undisturbed,
    contents,
    copy_lake,
    differing,
    files_in,
    random_moment,
    run_and_kill,
    steps_of,
)

KILLS = 200

FROM_NOTHING = Scenario("history and ten days", rows=3_000, first=date(2024, 1, 8))
TEN_MORE = Scenario("ten more days, with edits", rows=3_000, first=date(2024, 1, 18), after=FROM_NOTHING)
INSIGHTS = replace(FROM_NOTHING, name="history, ten days and insights", insights=True)
LONG_HISTORY = replace(FROM_NOTHING, name="history of seven months and ten days", rows=140_000)
SHARES = {FROM_NOTHING: 9, TEN_MORE: 7, INSIGHTS: 2, LONG_HISTORY: 2}
"""Which runs the random kills fall on."""
TOO_LATE = "no step: it had ended"


@dataclass
class Bench:
    """Undisturbed runs, each made when it is first asked for, and what was thrown at their like so far."""

    directory: Path
    undisturbed: dict[Scenario, Undisturbed] = field(default_factory=dict)
    thrown: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def home(self) -> Path:
        """Where every lake lives in its turn."""
        return self.directory / "lake"

    def prepare(self, scenario: Scenario) -> Undisturbed:
        """The scenario's undisturbed run; its lake is kept."""
        known = self.undisturbed.get(scenario)
        if known is None:
            if scenario.after is not None:
                self.prepare(scenario.after)
            self.begin(scenario)
            before, log = files_in(self.home), self.directory / "undisturbed.log"
            seconds = scenario.run(self.home, log)
            files = (before, files_in(self.home))
            copy_lake(self.home, self.directory / scenario.name)
            known = Undisturbed(seconds, files, contents(self.home, scenario), log.read_text())
            self.undisturbed[scenario] = known
        return known

    def begin(self, scenario: Scenario) -> None:
        """Put the lake in place that the scenario begins with."""
        before = self.directory / (scenario.after.name if scenario.after else "nothing")
        before.mkdir(exist_ok=True)
        copy_lake(before, self.home)

    def throw(self, scenario: Scenario, moments: Sequence[Moment]) -> list[str]:
        """Kill the scenario's run at each of these moments, then let it end; in what it differs from undisturbed."""
        undisturbed = self.prepare(scenario)
        self.begin(scenario)
        log = self.directory / "killed.log"
        for moment in moments:
            step = run_and_kill(scenario, undisturbed, moment, self.home, log)
            self.thrown[scenario.name, step or TOO_LATE] += 1
        scenario.run(self.home, log)
        return differing(contents(self.home, scenario), undisturbed.contents)

    @property
    def kills(self) -> int:
        """How often a run was killed that had not ended."""
        return sum(times for (_, step), times in self.thrown.items() if step != TOO_LATE)

    def table(self) -> str:
        """What was thrown, in the words of benchmarks/RESULTS.md."""
        lines = [f"| {name} | {step} | {times} |" for (name, step), times in sorted(self.thrown.items())]
        return "\n".join(["", "| run | killed in | times |", "|---|---|---|", *lines])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("killed"))


def random_throws(bench: Bench, seed: int) -> Iterator[tuple[Scenario, list[Moment]]]:
    """Scenarios by their shares, most with one moment, one in six with two or three."""
    rng = random.Random(seed)
    while True:
        (scenario,) = rng.choices(list(SHARES), list(SHARES.values()))
        steps = steps_of(bench.prepare(scenario).log)
        times = rng.choice((2, 3)) if rng.random() < 1 / 6 else 1
        yield scenario, [random_moment(rng, steps) for _ in range(times)]


def kill_until(bench: Bench, kills: int, throws: Iterable[tuple[Scenario, Sequence[Moment]]]) -> None:
    """Throw these until so many kills have hit a run that had not ended."""
    bench.thrown.clear()
    for scenario, moments in islice(throws, 2 * kills):
        found = bench.throw(scenario, moments)
        assert found == [], f"after {bench.kills} kills: {scenario.name}, killed at {', '.join(map(str, moments))}"
        if bench.kills >= kills:
            return
    raise AssertionError(f"only {bench.kills} kills came before the end of a run")


@pytest.mark.stress
def test_the_undisturbed_runs_do_what_a_kill_could_spoil(bench: Bench) -> None:
    begun, more = bench.prepare(FROM_NOTHING), bench.prepare(TEN_MORE)

    assert begun.rows("crimes") > 9_000
    assert begun.rows("crimes_quarantine") > 0
    assert more.rows("crimes") > begun.rows("crimes") + 6_000
    assert more.rows("crimes_superseded") > 100


@pytest.mark.stress
def test_two_hundred_kills(
    bench: Bench, capsys: pytest.CaptureFixture[str], thrown: Callable[[str, object], None]
) -> None:
    try:
        kill_until(bench, KILLS, random_throws(bench, seed=1))
    finally:
        with capsys.disabled():
            print(bench.table())
    for scenario in SHARES:
        steps = {step: times for (name, step), times in sorted(bench.thrown.items()) if name == scenario.name}
        thrown(f"`kill -9` of a run: {scenario.name}", ", ".join(f"{times} in {step}" for step, times in steps.items()))
