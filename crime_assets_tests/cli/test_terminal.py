"""Outputs that are closed, full, broken off or of another encoding: what a command did is what its exit code says."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crime_assets.cli import runner
from crime_assets.cli.main import main
from crime_assets.core.errors import CrimeAssetsError, LakeError, UsageError
from crime_assets.defs.progress import say
from crime_assets.engines.answers import Answer, Batches
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.profiles import Profile, Settings, open_profile

PROGRAM = Path(sys.executable).with_name("crime-assets")
MILLIONS = "SELECT range AS id, 'some text of a row, number ' || range AS text FROM range({rows})"


class Broken(io.StringIO):
    """An output that takes nothing, for the reason given."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, _: str = "") -> int:
        raise OSError(self.number, os.strerror(self.number))

    def flush(self) -> None:
        self.write()


def closed() -> io.StringIO:
    out = io.StringIO()
    out.close()
    return out


OUTPUTS: dict[str, Callable[[], io.StringIO | None]] = {
    "nobody reads it": lambda: Broken(errno.EPIPE),
    "the connection is gone": lambda: Broken(errno.ECONNRESET),
    "the device is full": lambda: Broken(errno.ENOSPC),
    "the terminal is gone": lambda: Broken(errno.EIO),
    "it would have to wait": lambda: Broken(errno.EAGAIN),
    "it was closed": closed,
    "there was none": lambda: None,
}


@pytest.fixture
def begun() -> None:
    """A lake that has begun and holds nothing yet."""
    open_profile(Settings.from_environment()).begin(date(2026, 1, 1))


@pytest.fixture(params=OUTPUTS)
def both_broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", OUTPUTS[request.param]())
    monkeypatch.setattr(sys, "stderr", OUTPUTS[request.param]())


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.usefixtures("both_broken")
def test_a_run_ends_with_the_code_it_earned(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def run(*_: object, **__: object) -> int:
        for line in ("a step", "ends → well \ud800"):
            say(line)
            told.append(line)
        assert not sys.stdout.isatty()
        print("to the other", file=sys.stderr)
        return code

    monkeypatch.setattr(runner, "run", run)
    assert main(["run"]) == code
    assert len(told) == 2


@pytest.mark.parametrize(
    ("error", "code"), [(CrimeAssetsError("no"), 1), (UsageError("no"), 2), (BrokenPipeError(), 1)]
)
@pytest.mark.usefixtures("both_broken")
def test_a_refusal_keeps_its_code(error: Exception, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(profile: Profile, *_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(runner, "run", run)
    assert main(["run"]) == code


@pytest.mark.usefixtures("both_broken")
def test_wrong_usage_keeps_its_code() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["run", "--from", "yesterday"])
    assert stop.value.code == 2


@pytest.mark.parametrize("arguments", [["query", "SELECT 1"], ["query", "--format", "json", "SELECT 1"], ["status"]])
@pytest.mark.parametrize("broken", OUTPUTS)
@pytest.mark.usefixtures("begun")
def test_an_answer_that_cannot_be_written_is_an_error_unless_nobody_wants_it(
    broken: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = io.StringIO()
    monkeypatch.setattr(sys, "stdout", OUTPUTS[broken]())
    monkeypatch.setattr(sys, "stderr", told)
    is_wanted = broken not in ("nobody reads it", "the connection is gone")
    assert main(arguments) == (1 if is_wanted else 0)
    assert told.getvalue().count("\n") == (1 if is_wanted else 0)
    assert told.getvalue().startswith("crime-assets: The answer could not be written" if is_wanted else "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.usefixtures("begun")
def test_characters_that_an_output_cannot_hold(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(form: str) -> tuple[str, str]:
        out, told = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", told)
        assert main(["query", "--format", form, "SELECT 'é→x' AS ñ"]) == 0
        return tuple(file.buffer.getvalue().decode(encoding) for file in (out, told))  # type: ignore[attr-defined, return-value]

    found, told = ask("json")
    assert json.loads(found) == [{"ñ": "é→x"}]
    assert told == ""
    found, told = ask("csv")
    expected = "ñ\né→x\n"
    assert found == expected.encode(encoding, "replace").decode(encoding)
    assert told.count("\n") == (0 if found == expected else 1)
    if found != expected:
        assert f"are not in {encoding} and became ?" in told


@pytest.mark.parametrize(("error", "code"), [(UsageError("Odd."), 2), (LakeError("Gone."), 1), (OSError("Lost"), 1)])
@pytest.mark.usefixtures("begun")
def test_an_error_on_the_way_leaves_json_open(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def batches() -> Batches:
        yield [(1, 2)]
        raise error

    monkeypatch.setattr(DuckDBEngine, "query", lambda *_: Answer(["n", "n"], batches()))
    assert main(["query", "--format", "json", "SELECT 1"]) == code
    found = capsys.readouterr()
    assert found.out == '[\n{"n": 1, "n_2": 2}'
    assert (found.err.count("\n"), str(error) in found.err) == (1, True)


# --- as a process ------------------------------------------------------------------------------------------------


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What comes of a line of bash in which $X is the program."""
    return subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "X": str(PROGRAM), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("begun")
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (f'$X query --format csv "{MILLIONS.format(rows=2_000_000)}" | head -1; exit ${{PIPESTATUS[0]}}', 0, ""),
        (f'$X query --format json "{MILLIONS.format(rows=100_000)}" >/dev/full', 1, "No space left on device"),
        ('$X query "SELECT 1" >&-', 1, "it is closed"),
        ('$X query "SELECT 1" >&- 2>&- <&-', 1, ""),
        ('$X query "SELEC 1" 2>/dev/full', 2, ""),
        ("$X status >/dev/full", 1, "No space left on device"),
        ("$X --help >/dev/full", 0, ""),
        ("$X run --from never 2>/dev/full", 2, ""),
    ],
)
def test_of_a_process(command: str, code: int, said: str) -> None:
    done = shell(command)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert done.stderr.count("\n") == (1 if said else 0), done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("begun")
def test_no_file_takes_the_number_of_a_closed_output(tmp_path: Path) -> None:
    """The first file that is opened would be standard output to whoever prints by its number."""
    script = (
        "import os, sys\n"
        "from crime_assets.cli.terminal import hold_descriptors\n"
        "hold_descriptors()\n"
        f"held = open({str(tmp_path / 'held')!r}, 'w')\n"
        "os.write(1, b'noise'); os.write(2, b'noise')\n"
        "assert held.fileno() > 2\n"
    )
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "$0" >&- 2>&- <&-', script], check=False, capture_output=True
    )
    assert (done.returncode, (tmp_path / "held").read_bytes()) == (0, b"")


@pytest.mark.slow
@pytest.mark.usefixtures("begun")
def test_memory_does_not_grow_with_the_answer() -> None:
    script = (
        "import resource, sys\nfrom crime_assets.cli.main import main\n"
        "for form, sql in zip(['json', 'csv', 'json'], sys.argv[1:]):\n"
        "    assert main(['query', '--format', form, sql]) == 0\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    asked = [MILLIONS.format(rows=rows) for rows in (1, 500_000, 500_000)]
    done = subprocess.run(
        [sys.executable, "-c", script, *asked], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    )
    small, *large = map(int, done.stderr.split())
    # As Python has them, these rows take 90 MB; what DuckDB itself keeps ready for reading is a part of that.
    assert max(large) - small < 60_000
