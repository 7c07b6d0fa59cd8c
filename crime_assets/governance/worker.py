"""The confined process that answers people's SQL on one gate. A program of its own: `python -I -m …worker DIRECTORY`.

It reads questions from its standard input, a JSON object a line, and writes to its standard output: 4 bytes with the
length of a JSON object, that object, and as many bytes of Arrow as the object says. It has one file to read, no
environment and no network, and knows nothing of policies, keys and other scopes.
"""

from __future__ import annotations

import gc
import json
import os
import struct
import sys
import threading
import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from crime_assets.core.errors import UsageError
from crime_assets.engines.asking import answering, in_texts, only_reading
from crime_assets.governance import confine
from crime_assets.governance.reads import is_of_crimes, parsed, what_is_read

LENGTH = struct.Struct(">I")
GONE = 3
"""Exit code of a worker whose gate was removed before it had it open."""
_GATE = "gate.duckdb"
_ROWS_A_BATCH = 10_000
_MORE_THAN_ARROW = frozenset(
    {"uhugeint", "bit", "bignum", "time", "time_ns", "time with time zone", "variant", "geometry", "interval"}
)
"""Types whose values come as their text: Arrow would make others of them."""
_MOST_MEMORY = 1 << 20
"""Kilobytes: a worker that has held more does not answer the next question, for which too little might be left."""
_SETTINGS = {
    "threads": "2",
    "memory_limit": "1GB",
    "preserve_insertion_order": "true",
    # What does not fit into memory is refused: a confined process writes nothing.
    "temp_directory": "",
    "max_temp_directory_size": "0B",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
}


def main(directory: Path, *, landlock: bool, locks: bool, guard: bool) -> None:
    """Answer until the input ends. Two walls and a guard, which tests switch off one by one."""
    parent = os.getppid()
    # Later it may open no file. What getrusage tells begins with what the process was that started this one.
    status = Path("/proc/self/status").open("rb", buffering=0)  # noqa: SIM115 - open to the end
    try:
        con = _opened(directory, landlock=landlock, locks=locks)
    except (FileNotFoundError, duckdb.IOException):
        if Path(_GATE).exists():
            raise
        os._exit(GONE)
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    # A query of thousands of ids is read as a large tree, in which it would look for cycles again and again.
    gc.set_threshold(1_000_000)
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever else writes to the standard output would be taken for an answer.
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        confine.allow_cpu(asked["cpu_seconds"])
        reads: dict[str, Any] = {}
        try:
            told, content = _answered(con, asked, reads, guard=guard)
        except UsageError as error:
            is_out_of_memory = isinstance(error.__cause__, duckdb.OutOfMemoryException)
            # With what it read: an error's text may hold values.
            told, content = {"stopped": True} if is_out_of_memory else {"refused": str(error), "reads": reads}, b""
        _write(answers, {**told, "last": _most_held(status) > _MOST_MEMORY}, content)


def _most_held(status: FileIO) -> int:
    """The most memory that this process has held, kilobytes."""
    status.seek(0)
    (line,) = (line for line in status.read().splitlines() if line.startswith(b"VmHWM:"))
    return int(line.split()[1])


def _end_with(parent: int) -> None:
    """End this process, whatever it does, when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _opened(directory: Path, *, landlock: bool, locks: bool) -> duckdb.DuckDBPyConnection:
    """Shut this process in with the gate of a directory, and open it."""
    os.chdir(directory)
    confine.limit()
    if landlock:
        confine.restrict(directory)
    return _connected(locks=locks)


def _connected(*, locks: bool) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(":memory:", config=dict(_SETTINGS))
    con.execute(f"ATTACH '{_GATE}' AS gate (READ_ONLY)")
    # For cursors, too: they begin with the settings of the whole database.
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    if locks:
        con.execute("SET enable_external_access = false")
        # The gate's own file, too: DuckDB has it open, and nobody needs its bytes.
        con.execute("SET disabled_filesystems = 'LocalFileSystem'")
        con.execute("SET lock_configuration = true")
    return con


def _answered(
    con: duckdb.DuckDBPyConnection, asked: Mapping[str, Any], reads: dict[str, Any], *, guard: bool
) -> tuple[dict[str, Any], bytes]:
    """An answer of bounded size; UsageError if there is none, or it is larger. What is read is put into `reads`."""
    # A cursor of its own: nothing that a question sets is there for the next one.
    with answering(), con.cursor() as own:
        own.execute("USE gate")
        statement = only_reading(own, asked["sql"]) if guard else asked["sql"]
        told = parsed(own, asked["sql"])
        reads["tables"], reads["columns_read"] = what_is_read(own, asked["sql"], told)
        found = own.sql(statement)
        if found is None:
            return {"columns": [], "rows": 0, "bytes": 0, "reads": reads}, b""
        columns = list(found.columns)
        named = [name.lower() for name in columns]
        reads["id"] = named.index("id") if "id" in named and is_of_crimes(told) else None
        if texts := in_texts(found.types, _MORE_THAN_ARROW):
            found = found.project(texts)
        reader = found.to_arrow_reader(_ROWS_A_BATCH)
        # Names may repeat, and be empty: they come apart from the values.
        schema = pa.schema([field.with_name(str(place)) for place, field in enumerate(reader.schema)])
        sink, rows = pa.BufferOutputStream(), 0
        with pa.ipc.new_stream(sink, schema) as stream:
            for batch in reader:
                rows += batch.num_rows
                stream.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
                if rows > asked["most_rows"] or sink.tell() > asked["most_bytes"]:
                    raise UsageError(
                        f"The answer has more than {asked['most_rows']:,} rows or {asked['most_bytes'] >> 20} MiB: "
                        "ask for sums, or for fewer rows or columns."
                    )
    content = sink.getvalue().to_pybytes()
    return {"columns": columns, "rows": rows, "bytes": len(content), "reads": reads}, content


def _write(file: BinaryIO, told: Mapping[str, Any], content: bytes) -> None:
    head = json.dumps(told).encode("utf-8", "replace")
    file.write(LENGTH.pack(len(head)) + head + content)
    file.flush()


if __name__ == "__main__":
    switches = sys.argv[2:]
    main(
        Path(sys.argv[1]),
        landlock="--no-landlock" not in switches,
        locks="--no-locks" not in switches,
        guard="--no-guard" not in switches,
    )
