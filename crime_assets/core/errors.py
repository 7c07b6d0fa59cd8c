"""The errors a person sees: one sentence each, which says what to do. No other error reaches the CLI on purpose."""

from collections.abc import Iterator


class CrimeAssetsError(Exception):
    """Data is missing or a part is unavailable; the command ends with exit code 1."""

    exit_code = 1


class UsageError(CrimeAssetsError):
    """The request itself is wrong (unknown city, impossible dates); exit code 2."""

    exit_code = 2


class FeedError(CrimeAssetsError):
    """The source could not be read."""


class FeedUnavailable(FeedError):
    """The source did not answer in spite of retries (network, 429, 5xx, truncated bodies)."""


class SourceMoved(FeedError):
    """The source refuses the request: the dataset, or a column that we name, no longer exists. Retrying is useless."""


class Untypable(FeedError):
    """So much of the source cannot be typed that it is not taken for a city's crimes."""


class LandingError(CrimeAssetsError):
    """The landing store does not hold what it should."""


class LegacyError(CrimeAssetsError):
    """The legacy database cannot be reached, or is not as its migration needs it."""


class SourceForgot(LegacyError):
    """The legacy database no longer has the changes since a position."""


class StoreError(CrimeAssetsError):
    """The store of documents cannot be used as it is."""


class StoreBusy(StoreError):
    """Another process holds the store of documents."""


class WarehouseError(CrimeAssetsError):
    """The warehouse of live reports cannot be reached, or refuses what it is asked."""


class LakeError(CrimeAssetsError):
    """The lake cannot be used as it is."""


class LakeBusy(LakeError):
    """Another process is writing to this lake."""


class TablesLost(LakeError):
    """The lake has merged change days, but its tables are missing."""


class DiskFull(LakeError):
    """There is no space left; nothing was half-written."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that led to it, nearest first; chains can be circular."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
