"""Files of every kind with damage at random: what can be read is read, all else ends in one sentence."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crime_assets.core.errors import FeedError
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets_tests.build import CHICAGO, HEADERS
from crime_assets_tests.sources.feeds.export_files import ROWS, written


def files() -> dict[str, bytes]:
    """A whole file of each kind."""
    text = written().encode()
    zipped, tarred, parquet = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", text)
    with tarfile.open(fileobj=tarred, mode="w") as archive_of_tar:
        member = tarfile.TarInfo("a.csv")
        member.size = len(text)
        archive_of_tar.addfile(member, io.BytesIO(text))
    pq.write_table(pa.table(list(map(list, zip(*ROWS, strict=True))), HEADERS), parquet)
    return {
        "commas": text,
        "semicolons": written(separator=";", end="\r\n").encode("utf-16"),
        "old mac": written(end="\r").encode(),
        "gzip": gzip.compress(text),
        "zip": zipped.getvalue(),
        "tar": tarred.getvalue(),
        "tar.gz": gzip.compress(tarred.getvalue()),
        "parquet": parquet.getvalue(),
    }


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content with some bytes changed, lost, added or repeated."""
    found = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(max(len(found), 1))
        match chance.randrange(5):
            case 0:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del found[at : at + chance.choice([1, 2, 50, 1000])]
            case 2:
                found[at:at] = bytes(chance.choices(b'\0\n\r",;\xffA', k=chance.choice([1, 3, 40])))
            case 3:
                del found[at:]
            case _:
                found += found[at : at + 500]
    return bytes(found)


@pytest.mark.parametrize("kind", files())
def test_it_is_read_or_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    chance, whole = random.Random(kind), files()[kind]
    path = tmp_path / "a.csv"
    ends: Counter[str] = Counter()
    for _ in range(60):
        path.write_bytes(damaged(whole, chance))
        try:
            file = ExportFile(path, CHICAGO.timezone)
            ends["read"] += sum(part.records.num_rows + len(part.damaged) for part in file.parts()) > 0
        except FeedError as error:
            sentence = str(error)
            ends["refused"] += 1
            assert str(path) in sentence
            assert sentence.endswith((".", "?"))
            assert sentence.isprintable()
    assert ends["refused"] > 10
    assert ends["read"] + ends["refused"] > 50
