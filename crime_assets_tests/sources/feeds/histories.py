"""A feed's history as tests look at it: all parts together."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from crime_assets.sources.feeds import Feed


def read_history(feed: Feed, before: date) -> pa.Table:
    """The rows of all parts; a table without columns if there is no part."""
    with feed.history(before) as history:
        tables = [history.read(part) for part in history.parts]
    return pa.concat_tables(tables) if tables else pa.table({})
