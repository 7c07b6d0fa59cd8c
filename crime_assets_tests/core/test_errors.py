"""Errors: exit codes, and the chain that leads to the one a person should read."""

import pytest

from crime_assets.core import errors
from crime_assets.core.errors import chain


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CrimeAssetsError, 1),
        (errors.UsageError, 2),
        (errors.FeedError, 1),
        (errors.FeedUnavailable, 1),
        (errors.SourceMoved, 1),
        (errors.LandingError, 1),
        (errors.LegacyError, 1),
        (errors.SourceForgot, 1),
        (errors.StoreError, 1),
        (errors.StoreBusy, 1),
        (errors.LakeError, 1),
        (errors.LakeBusy, 1),
        (errors.DiskFull, 1),
    ],
)
def test_exit_codes(error: type[errors.CrimeAssetsError], code: int) -> None:
    assert error("…").exit_code == code


def test_a_source_that_does_not_answer_or_moved_is_a_feed_that_failed() -> None:
    assert issubclass(errors.FeedUnavailable, errors.FeedError)
    assert issubclass(errors.SourceMoved, errors.FeedError)


class TestChain:
    def test_nearest_first(self) -> None:
        first, second, third = ValueError("1"), OSError("2"), RuntimeError("3")
        third.__cause__, second.__context__ = second, first
        assert list(chain(third)) == [third, second, first]

    def test_a_cause_counts_before_a_context(self) -> None:
        error, cause = RuntimeError("error"), ValueError("cause")
        error.__context__ = OSError("context")
        error.__cause__ = cause
        assert list(chain(error)) == [error, cause]

    def test_a_circle_ends(self) -> None:
        first, second = ValueError("1"), ValueError("2")
        first.__cause__, second.__cause__ = second, first
        assert list(chain(first)) == [first, second]

    def test_as_python_makes_it(self) -> None:
        def fail() -> None:
            try:
                raise KeyError("inner")
            except KeyError as error:
                raise errors.LakeError("outer") from error

        with pytest.raises(errors.LakeError) as caught:
            fail()
        assert [type(error) for error in chain(caught.value)] == [errors.LakeError, KeyError]
