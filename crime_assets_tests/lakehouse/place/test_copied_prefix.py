"""A lake on AWS is its place: what was copied to another prefix is not taken for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.place.lake import CityState, Lake, Remote
from crime_assets.streams.directory import DirectoryStore

EXPORT = CityState("export", "2024-01-22", 10_000, 7)


def test_a_copy_of_the_documents_is_not_the_lake(tmp_path: Path) -> None:
    """A prefix that was copied would lead two machines into the same tables, or into none of its own."""
    documents = DirectoryStore(tmp_path / "documents")
    Lake(tmp_path / "one", Remote("s3://tables/lake", documents, {})).begin_city("chicago", EXPORT)
    shutil.copytree(tmp_path / "documents", tmp_path / "copied")

    for lake, landing in (("s3://tables/lake", "copied"), ("s3://other/lake", "documents")):
        store = DirectoryStore(tmp_path / landing)
        with pytest.raises(LakeError, match=f"is of the lake s3://tables/lake with the landing store {tmp_path}/docum"):
            Lake(tmp_path / "home", Remote(lake, store, {}))
    older = documents.read("lake/city=chicago.json")
    assert older is not None
    state = json.loads(older)
    del state["place"]
    DirectoryStore(tmp_path / "copied").write("lake/city=chicago.json", json.dumps(state).encode())
    lake = Lake(tmp_path / "home", Remote("s3://tables/lake", DirectoryStore(tmp_path / "copied"), {}))
    assert lake.city("chicago") == EXPORT, "a document of an older release says nothing of its place"
