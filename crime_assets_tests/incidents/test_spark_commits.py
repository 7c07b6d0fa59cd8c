"""Commits of batches by Spark: what was written is read, the newest is found, old ones are forgotten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crime_assets.core.errors import LakeError, LandingError
from crime_assets.incidents.spark.commits import Commit, Commits
from crime_assets.incidents.spark.order import Reached
from crime_assets.incidents.spark.site import Site
from crime_assets.incidents.state import Ticked
from crime_assets.streams.directory import DirectoryStore


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site("stream", DirectoryStore(tmp_path), "fir", "epoch-1")


def commit(batch: int) -> Commit:
    return Commit(
        ticked=Ticked(batch, 10, 7, 1, 2, 0, 2, 1, 99.5),
        given={"a": [1, 2]},
        reached={"a": Reached(2, 104.5), "b": Reached(3, 90.0, is_ended=True)},
        held={"c": [4]},
        base=batch - 2 if batch >= 2 else None,
        closed=7,
        numbers={"alerts": 1},
        reasons=["not_json", "no_zone"],
        alerts='{"rule": "surge"}\n',
        told={"webhook": 1},
    )


def test_a_commit_is_read_as_it_was_written(site: Site) -> None:
    Commits(site).write(commit(0))
    assert Commits(site).read(0) == commit(0)
    assert Commits(site).read(1) is None


def test_before_the_first_batch_there_is_nothing(site: Site) -> None:
    assert Commits(site).read(-1) == Commits(site).last() == Commit()
    assert Commit().added == []


def test_what_was_added_since_the_base_is_what_is_read_beside_it():
    assert commit(1).added == [0, 1]
    assert commit(5).added == [4, 5]
    assert replace(commit(5), base=5).added == []


def test_another_commit_of_the_same_batch_is_refused(site: Site) -> None:
    Commits(site).write(commit(0))
    Commits(site).write(commit(0))
    with pytest.raises(LandingError, match="has other content"):
        Commits(site).write(replace(commit(0), closed=8))


def test_the_last_is_found_when_the_first_are_forgotten(site: Site) -> None:
    commits = Commits(site)
    for batch in range(6):
        commits.write(commit(batch))
    commits.forget(4)
    commits.forget(3)
    assert [commits.read(batch) is not None for batch in range(6)] == [False, False, False, False, True, True]
    assert commits.last() == commit(5)
    commits.write(commit(6))
    assert commits.last() == commit(6)


def test_a_damaged_commit_is_told(site: Site) -> None:
    for content in (b"{", b"[]", b'{"reached": 1}'):
        site.store.write(site.chain("commits").key(1), content)
        with pytest.raises(LakeError, match=r"The commit .*000001\.ndjson of a batch is damaged: restore it"):
            Commits(site).read(0)
