"""In which order a consumer by Spark takes the files of shards, and up to when it then knows the stream."""

from __future__ import annotations

import pytest

from crime_assets.incidents.sources import SLACK
from crime_assets.incidents.spark.order import Layout, Reached, moved, taken, watermark

ALONE = Layout({"a": [], "b": []}, {})
SPLIT = Layout({"a": [], "b": ["a"], "c": ["a"]}, {"a": 3})
MERGED = Layout({"a": [], "b": [], "c": ["a", "b"]}, {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("layout", "reached", "found", "ends"),
    [
        (ALONE, {}, {"a": [1, 2], "b": [1]}, {"a": 2, "b": 1}),
        # Found before one that comes first.
        (ALONE, {}, {"a": [2, 3], "b": [1]}, {"a": 0, "b": 1}),
        (ALONE, {"a": Reached(1)}, {"a": [3, 2]}, {"a": 3, "b": 0}),
        # Children wait for the end of their parent.
        (SPLIT, {"a": Reached(1)}, {"a": [2], "b": [1]}, {"a": 2, "b": 0, "c": 0}),
        (SPLIT, {"a": Reached(2)}, {"a": [3], "b": [1, 2]}, {"a": 3, "b": 2, "c": 0}),
        (SPLIT, {"a": Reached(3, 9.0, True)}, {"c": [1]}, {"a": 3, "b": 0, "c": 1}),
        # And for both of them.
        (MERGED, {"a": Reached(1, 9.0, True)}, {"b": [1], "c": [1]}, {"a": 1, "b": 1, "c": 0}),
        (MERGED, {"a": Reached(1, 9.0, True)}, {"b": [1, 2], "c": [1]}, {"a": 1, "b": 2, "c": 1}),
        # Its directory was made after the shards were looked up.
        (ALONE, {}, {"d": [1]}, {"a": 0, "b": 0}),
    ],
)
def test_files_are_taken_in_their_order(
    layout: Layout, reached: dict[str, Reached], found: dict[str, list[int]], ends: dict[str, int]
) -> None:
    assert taken(layout, reached, found) == ends


def test_a_shard_is_over_when_it_is_closed_and_all_of_it_was_taken():
    before = {"a": Reached(2, 50.0)}
    assert moved(SPLIT, before, {"a": 2, "b": 0, "c": 0}, {})["a"] == Reached(2, 50.0, is_ended=False)
    assert moved(SPLIT, before, {"a": 3, "b": 0, "c": 0}, {"a": 60.0})["a"] == Reached(3, 60.0, is_ended=True)


def test_the_newest_message_counts_though_an_older_one_came_last():
    assert moved(ALONE, {"a": Reached(1, 50.0)}, {"a": 2, "b": 0}, {"a": 45.0})["a"].arrived == 50.0


def test_what_follows_a_shard_arrived_after_it():
    split = moved(SPLIT, {"a": Reached(2, 50.0)}, {"a": 3, "b": 1, "c": 0}, {"a": 60.0, "b": 70.0})
    assert {shard: one.arrived for shard, one in split.items()} == {"a": 60.0, "b": 70.0, "c": 60.0}
    merged = moved(MERGED, {"a": Reached(1, 50.0, is_ended=True)}, {"a": 1, "b": 2, "c": 0}, {"b": 40.0})
    assert merged["c"].arrived == 50.0
    assert (
        moved(MERGED, {"a": Reached(1, 50.0, is_ended=True)}, {"a": 1, "b": 1, "c": 0}, {"b": 40.0})["c"].arrived
        is None
    )


@pytest.mark.parametrize(
    ("reached", "known"),
    [
        ({"a": Reached(1, 50.0), "b": Reached(1, 40.0)}, 40.0),
        # One that is over holds nothing up.
        ({"a": Reached(1, 50.0), "b": Reached(1, 40.0, is_ended=True)}, 50.0),
        ({"a": Reached(1, 50.0, is_ended=True), "b": Reached(1, 40.0, is_ended=True)}, 50.0),
        ({"a": Reached(1, 50.0), "b": Reached()}, None),
    ],
)
def test_the_stream_is_known_up_to_the_open_shard_that_is_furthest_behind(
    reached: dict[str, Reached], known: float | None
) -> None:
    assert watermark(reached) == (None if known is None else known - SLACK)
