"""How things are measured: each piece of work a process of its own, its wall time and its peak memory; then a table."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True)
class Spent:
    """Seconds of wall time and of the processor, GiB of memory at the peak (resident), and what the process printed."""

    seconds: float
    cpu: float
    peak: float
    printed: str


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was done, what it took, what the peer took, and the ratio that was promised."""

    work: str
    ours: str
    peer: str
    ratio: float
    at_most: float

    def __str__(self) -> str:
        kept = "" if self.ratio <= self.at_most else " **missed**"
        return f"| {self.work} | {self.ours} | {self.peer} | {self.ratio:.3g} | {self.at_most:.3g}{kept} |"


def spend(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Spent:
    """Run a command to its end; an error if it fails."""
    start = time.perf_counter()
    with subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True
    ) as done:
        printed = done.stdout.read() if done.stdout else ""
        _, status, usage = os.wait4(done.pid, 0)
        done.returncode = os.waitstatus_to_exitcode(status)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command)
    seconds, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    return Spent(seconds, cpu, usage.ru_maxrss / 2**20, printed)


def module(name: str, *arguments: object) -> list[str]:
    """The command that runs a module of this package as a program."""
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown, with what they were measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("dagster", "pyiceberg", "duckdb", "pyarrow"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        f"Measured on {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {packages}.",
        "",
        "| work | ours | peer | ratio | at most |",
        "| --- | --- | --- | --- | --- |",
        *map(str, figures),
    ]
    return "\n".join(lines) + "\n"
