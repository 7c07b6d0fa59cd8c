"""The numbers of hours, blocks and days on which rules count, and which times are believed.

All of them count from 1970 on the clock of the stream's zone, so rules need no dates: an hour of the same weekday is a
multiple of 168 hours away. India has no summer time; where a zone has, the odd hour of spring and autumn is counted
like the one beside it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]
"""Moments, in seconds since 1970 (UTC)."""
Numbers = NDArray[np.int64]
HOUR, BLOCK, DAY = 3_600, 21_600, 86_400
"""Seconds of what rules count in."""
HORIZON = 3_600
"""Seconds between registering and arriving after which a report is kept, but no rule counts it any more."""
GRACE = 600
"""Seconds after a block's end for which reports of it are waited for."""
MOST_AHEAD = 300
"""A report that says it was registered later than this many seconds after it arrived has a wrong clock."""
IN_FUTURE = 7_200
"""One that is later than this cannot be used at all."""
KNOWN_DAYS = 7
"""Days after registering for which a report may still match a watch list or a major head."""
_QUARTER = 900
"""The offset of a zone changes on quarters of an hour at the most, and is asked for with every report."""


class Calendar:
    """Local numbers of moments, given as seconds since 1970 (UTC)."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self._zone = ZoneInfo(zone)
        self._offsets: dict[int, int] = {}
        self._ends: dict[int, int] = {}

    def local(self, seconds: float) -> int:
        """Whole seconds on the zone's clock."""
        return int(seconds // 1) + self._offset(int(seconds) // _QUARTER)

    def locals(self, seconds: Seconds) -> Numbers:
        """The same of many moments."""
        quarters, places = np.unique(seconds.astype(np.int64) // _QUARTER, return_inverse=True)
        offsets = np.array([self._offset(quarter) for quarter in quarters.tolist()], np.int64)
        return np.floor(seconds).astype(np.int64) + offsets[places]

    def hour(self, seconds: float) -> int:
        """The number of the hour."""
        return self.local(seconds) // HOUR

    def block(self, seconds: float) -> int:
        """The number of the block of six hours."""
        return self.local(seconds) // BLOCK

    def day(self, seconds: float) -> int:
        """The number of the day."""
        return self.local(seconds) // DAY

    def block_ends(self, block: int) -> int:
        """When a block has ended, in seconds since 1970 (UTC)."""
        ends = self._ends.get(block)
        if ends is None:
            ends = self._ends[block] = self._moment((block + 1) * BLOCK)
        return ends

    def blocks_end(self, blocks: Numbers) -> Numbers:
        """The same of many blocks."""
        numbers, places = np.unique(blocks, return_inverse=True)
        return np.array([self.block_ends(number) for number in numbers.tolist()], np.int64)[places]

    def closed_block(self, seconds: float) -> int:
        """The last block that is closed, if all that arrived before this moment is known."""
        return self.block(seconds - GRACE) - 1

    def begins(self, number: int, length: int) -> datetime:
        """When the hour, block or day of this number begins, with the zone's offset; `length` in seconds."""
        return datetime.fromtimestamp(self._moment(number * length), self._zone)

    def _offset(self, quarter: int) -> int:
        offset = self._offsets.get(quarter)
        if offset is None:
            if len(self._offsets) > 100_000:
                self._offsets.clear()
            told = datetime.fromtimestamp(quarter * _QUARTER, self._zone).utcoffset()
            offset = self._offsets[quarter] = int(told.total_seconds()) if told else 0
        return offset

    def _moment(self, local: int) -> int:
        naive = datetime.fromtimestamp(local, UTC).replace(tzinfo=None)
        return int(naive.replace(tzinfo=self._zone).timestamp())
