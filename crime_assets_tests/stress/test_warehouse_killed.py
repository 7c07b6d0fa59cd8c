"""Two loaders fill a warehouse and are killed again and again, each time inside a transaction.

A loader is stopped first, and killed only if the server says that its transaction is open and it holds the lock that
loaders take turns for, or waits for it. What a plain dictionary would keep is what the warehouse has in the end.
"""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from crime_assets.incidents.warehouse import Loaded
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.incidents.warehouse import loader
from crime_assets_tests.incidents.warehouse.reports import Line, kept, overlapping, write
from crime_assets_tests.incidents.warehouse.servers import ask, fresh, history, ledger, served, warehouse

pytestmark = [pytest.mark.stress, pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")]

KILLS = 50
WAITING = "waiting for its turn"
AT_MOST_WAITING = 10
"""How many of the kills may meet one that waits for its turn; the others have begun to write."""
OBJECTS_A_KILL, REPORTS_AN_OBJECT, REPORTS = 6, 300, 6_000
_PATIENCE_SECONDS = 120.0

_OPEN = """
SELECT activity.query, activity.state = 'active', EXISTS (
  SELECT 1 FROM pg_locks WHERE pg_locks.pid = activity.pid AND pg_locks.granted
    AND pg_locks.relation = 'fir_ledger'::regclass AND pg_locks.mode = 'AccessExclusiveLock'
)
FROM pg_stat_activity AS activity
WHERE activity.application_name = %s AND activity.xact_start IS NOT NULL
  AND activity.state IN ('active', 'idle in transaction')
"""


@pytest.fixture
def address() -> Iterator[str]:
    with served() as server:
        yield fresh(server)


class Loaders:
    """Two loaders that are always there, of the same objects in different orders."""

    def __init__(self, address: str, store: Path, chance: random.Random) -> None:
        self.address, self.store, self.chance = address, store, chance
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.names = (f"loader-{n}" for n in itertools.count())

    def fill_up(self, keys: Sequence[str]) -> None:
        """Begin those that are missing; those that have loaded all they were given have done so without a failure."""
        for name, process in list(self.running.items()):
            if process.poll() is not None:
                self._ended(name)
        while len(self.running) < 2:
            name, seed = next(self.names), self.chance.randrange(1 << 30)
            self.running[name] = loader.start(self.address, self.store, name, seed, keys, self.chance.randint(1, 3))

    def finish(self) -> None:
        """Wait until both have loaded all they were given."""
        for name in list(self.running):
            self._ended(name)

    def _ended(self, name: str) -> None:
        process = self.running.pop(name)
        _, said = process.communicate(timeout=_PATIENCE_SECONDS)
        assert process.returncode == 0, said.decode()

    def __enter__(self) -> Loaders:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            process.kill()
            process.communicate()

    def kill_one(self, is_waiting_enough: bool) -> str | None:
        """Kill one if it is inside a transaction, and say where that was; None if it is not."""
        name = self.chance.choice(list(self.running))
        process = self.running[name]
        process.send_signal(signal.SIGSTOP)
        found = ask(self.address, _OPEN, name) if process.poll() is None else []
        if not found or not (found[0][2] or is_waiting_enough):
            process.send_signal(signal.SIGCONT)
            return None
        # It is stopped: nobody can have ended its transaction since.
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        del self.running[name]
        ((query, is_active, has_lock),) = found
        return f"{'in' if is_active else 'after'} {_first_words(query)}" if has_lock else WAITING


def _first_words(query: str) -> str:
    return " ".join(query.partition("(")[0].split()[:4])


def test_loaders_that_are_killed(address: str, tmp_path: Path, thrown: Callable[[str, object], None]) -> None:
    chance, store = random.Random(18), DirectoryStore(tmp_path / "landing")
    lines: list[Line] = []
    keys: list[str] = []
    met: Counter[str] = Counter()
    at = warehouse(address)
    with Loaders(address, tmp_path / "landing", chance) as loaders:
        while met.total() < KILLS:
            old = chance.sample(keys, min(len(keys), 2 * OBJECTS_A_KILL))
            for some in overlapping(chance, OBJECTS_A_KILL, REPORTS_AN_OBJECT, REPORTS):
                keys.append(write(store, f"{len(keys):05}", some))
                lines += some
            given = [*keys[-OBJECTS_A_KILL:], *old]
            met[_killed(loaders, given, met[WAITING] < AT_MOST_WAITING)] += 1
        left = len(keys) - len(ledger(address))
        loaders.finish()
        # What those that were killed had not loaded, two load at once.
        loaders.fill_up(keys)
        loaders.finish()

    assert at.load(store, keys) == Loaded(0, 0, 0)
    expected = kept(lines)
    assert history(address) == expected
    assert ledger(address) == sorted(keys)
    figures = at.figures()
    assert sum(month.reports for month in figures) == len(expected)
    assert sum(month.versions for month in figures) == sum(row["version"] for row in expected.values())
    told = ", ".join(f"{often} {where}" for where, often in met.most_common())
    thrown("kills of two loaders of a warehouse, each inside a transaction", f"{met.total()}: {told}")
    thrown("objects that these loaded", f"{len(keys)}, {left} of them after the last kill, with {len(lines):,} lines")
    thrown("reports that these left, each in the version that is right", len(expected))


def _killed(loaders: Loaders, keys: Sequence[str], is_waiting_enough: bool) -> str:
    """Kill one of the loaders; where it was."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        loaders.fill_up(keys)
        time.sleep(loaders.chance.uniform(0.0, 0.6))
        if where := loaders.kill_one(is_waiting_enough):
            return where
    raise AssertionError("no loader was met in a transaction")
