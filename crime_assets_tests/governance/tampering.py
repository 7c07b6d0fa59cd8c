"""What somebody could do to a trail who can write its files, but not its anchors."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

from crime_assets.governance import trail as module
from crime_assets.governance.trail import Trail


def tampered(directory: Path, chance: random.Random) -> str:
    """Do one of these things to a trail, which has files of ids, too; says which. Something is changed afterwards."""
    before = contents(directory)
    kind = chance.choice(list(_KINDS))
    _KINDS[kind]({path: content for path, content in before.items() if path.suffix == ".jsonl"}, chance)
    # What changed nothing, such as two lines that are equal to each other, is no tampering.
    return kind if contents(directory) != before else tampered(directory, chance)


def contents(directory: Path) -> dict[Path, bytes]:
    """All files of a trail, but for its lock."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.read_bytes() for path in files}


def put_back(directory: Path, before: Mapping[Path, bytes]) -> None:
    """Make the files of a trail what they were."""
    for path in contents(directory).keys() - before.keys():
        path.unlink()
    for path, content in before.items():
        path.write_bytes(content)


def assert_all_found(trail: Trail, directory: Path, times: int, seed: int) -> None:
    """Tamper with a trail so often, each time anew: each is found, and the trail as it was is whole."""
    before, chance = contents(directory), random.Random(seed)
    for number in range(times):
        kind = tampered(directory, chance)
        assert trail.verify().problems, (number, kind)
        put_back(directory, before)
    assert trail.verify().problems == ()


Files = Mapping[Path, bytes]


def _byte(files: Files, chance: random.Random) -> None:
    _flip(chance.choice(list(files)), chance)


def _flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(7)
    path.write_bytes(bytes(content))


def _cut(files: Files, chance: random.Random) -> None:
    last = max(files)
    last.write_bytes(files[last][: chance.randrange(len(files[last]))])


def _drop(files: Files, chance: random.Random) -> None:
    path, lines, at = _line(files, chance)
    path.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))


def _swap(files: Files, chance: random.Random) -> None:
    path, lines, at = _line(files, chance)
    other = chance.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]
    path.write_bytes(b"".join(lines))


def _repeat(files: Files, chance: random.Random) -> None:
    path, lines, at = _line(files, chance)
    path.write_bytes(b"".join([*lines[: at + 1], *lines[at:]]))


def _field(files: Files, chance: random.Random) -> None:
    path, lines, at = _line(files, chance)
    told = {**json.loads(lines[at]), "rows": 10_000}
    lines[at] = json.dumps({**told, "hash": module._hash(told)}).encode() + b"\n"
    path.write_bytes(b"".join(lines))


def _anew(files: Files, chance: random.Random) -> None:
    """Change one line, and give all later ones the hashes that fit."""
    changed = chance.randrange(sum(len(content.splitlines()) for content in files.values()))
    prev, n = module.FIRST, 0
    for path, content in sorted(files.items()):
        lines = []
        for line in content.splitlines():
            told = {**json.loads(line), "prev": prev}
            if n == changed:
                told["principal"] = "somebody"
            told["hash"] = prev = module._hash(told)
            lines.append(json.dumps(told).encode() + b"\n")
            n += 1
        path.write_bytes(b"".join(lines))


def _file(files: Files, chance: random.Random) -> None:
    chance.choice(list(files)).unlink()


def _add(files: Files, chance: random.Random) -> None:
    path, lines, at = _line(files, chance)
    path.write_bytes(files[path] + lines[at])


def _move(files: Files, chance: random.Random) -> None:
    """The last line of a day to the next one."""
    first, second = sorted(files)[:2]
    *rest, last = files[first].splitlines(keepends=True)
    first.write_bytes(b"".join(rest))
    second.write_bytes(last + files[second])


def _seen_byte(files: Files, chance: random.Random) -> None:
    _flip(chance.choice(_seen(files)), chance)


def _seen_gone(files: Files, chance: random.Random) -> None:
    chance.choice(_seen(files)).unlink()


def _seen_other(files: Files, chance: random.Random) -> None:
    one, other = chance.choice(_seen(files)), chance.choice(_seen(files))
    one.write_bytes(other.read_bytes())


def _seen(files: Files) -> list[Path]:
    return sorted((next(iter(files)).parent / "seen").iterdir())


def _line(files: Files, chance: random.Random) -> tuple[Path, list[bytes], int]:
    path = chance.choice(list(files))
    lines = files[path].splitlines(keepends=True)
    return path, lines, chance.randrange(len(lines))


_KINDS: Mapping[str, Callable[[Files, random.Random], None]] = {
    "a bit of a line": _byte,
    "the tail cut off": _cut,
    "a line removed": _drop,
    "two lines swapped": _swap,
    "a line twice": _repeat,
    "a field with its hash": _field,
    "all written anew": _anew,
    "a file removed": _file,
    "a line added": _add,
    "a line in another file": _move,
    "a bit of a file of ids": _seen_byte,
    "a file of ids removed": _seen_gone,
    "the ids of another line": _seen_other,
}
