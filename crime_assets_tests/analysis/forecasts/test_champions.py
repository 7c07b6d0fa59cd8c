"""What is published: the best count, unless a model is better; which of the models is held against it."""

from datetime import date, timedelta

import pyarrow as pa
import pytest

from crime_assets.analysis.forecasts.champions import choose
from crime_assets.analysis.forecasts.counts import METHODS

PAIR = ("robbery", 28)
BASE = dict.fromkeys(METHODS, 100.0)


def scores(hits: dict[str, float], origins: int = 24, **columns: object) -> pa.Table:
    """Rows of one pair; every method finds about as much in each window."""
    rows = [
        {
            "as_of_day": date(2017, 1, 1) + timedelta(days=28 * window),
            "target": PAIR[0],
            "horizon": PAIR[1],
            "grid": "h3-9",
            "method": method,
            "share": 2.0,
            "basis": "replayed",
            "in_verdict": True,
            "hits": found + window % 3 if found else 0.0,
            **columns,
        }
        for window in range(origins)
        for method, found in hits.items()
    ]
    return pa.Table.from_pylist(rows)


def chosen(past: pa.Table, models: tuple[str, ...] = ("mixture",), windows: int = 24, history: int = 900):
    return choose(past, {PAIR: windows}, models, history)[PAIR]


def test_a_model_that_finds_more_is_published():
    found = chosen(scores(BASE | {"decayed": 104.0, "mixture": 110.0}))
    assert (found.method, found.best_count, found.candidate, found.verdict.word) == (
        "mixture",
        "decayed",
        "mixture",
        "better",
    )
    assert found.verdict.gain == pytest.approx(6 / 105, abs=0.001)


def test_else_the_best_count_is():
    found = chosen(scores(BASE | {"3y": 104.0, "mixture": 104.5}))
    assert (found.method, found.best_count, found.verdict.word) == ("3y", "3y", "as good")


def test_of_equal_counts_the_first_is_best():
    assert chosen(scores(BASE | {"mixture": 90.0})).best_count == "365d"


@pytest.mark.parametrize(
    ("hits", "candidate"),
    [
        ({"mixture": 101.0, "trees": 102.0, "mean": 105.0}, "mean"),
        ({"mixture": 101.0, "trees": 112.0, "mean": 105.0}, "trees"),
        ({"mixture": 115.0, "trees": 112.0, "mean": 105.0}, "mixture"),
        ({"mixture": 105.0, "trees": 105.0, "mean": 105.0}, "mean"),
    ],
)
def test_the_mean_of_both_models_is_held_against_counting_unless_a_part_is_better(
    hits: dict[str, float], candidate: str
):
    past = scores(BASE | hits)
    assert chosen(past, ("mixture", "trees", "mean")).candidate == candidate
    # Without boosted trees there is one model.
    assert chosen(past).candidate == "mixture"


def test_without_past_scores_the_usual_count_is_published():
    assert chosen(scores(BASE, 3)).method == "365d"
    assert chosen(scores(BASE, 3), history=364).method == "all"
    empty = scores(BASE, 1).slice(0, 0)
    found = chosen(empty, windows=7)
    assert (found.method, found.candidate, found.verdict.word) == ("365d", None, "no model")
    assert chosen(empty).verdict.word == "too few"


def test_only_rows_of_the_verdict_count():
    past = scores(BASE | {"mixture": 100.0})
    for columns in ({"in_verdict": False}, {"share": 5.0}, {"grid": "nij-600ft"}):
        more = pa.concat_tables([scores({"kde": 900.0}, 60, **columns), past])
        assert chosen(more).best_count == "365d"


def test_what_was_published_takes_the_place_of_its_replay():
    replayed = scores(BASE | {"all": 200.0, "mixture": 100.0})
    published = scores(BASE | {"kde": 150.0, "all": 90.0, "mixture": 100.0}, basis="published")
    for parts in ([replayed, published], [published, replayed]):
        assert chosen(pa.concat_tables(parts)).best_count == "kde"
