"""The digest of a record: two equal records have equal digests, whichever feed they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

COMPUTED_REGION = ":@computed_region_"


def canonical_json(record: Mapping[str, object]) -> str:
    """The record's own fields as JSON: sorted keys, no spaces, no nulls, no computed regions.

    A lone surrogate (possible in JSON, impossible in UTF-8) becomes "?".
    """
    own = {
        name: value
        for name, value in record.items()
        if value is not None and not name.startswith((COMPUTED_REGION, "_"))
    }
    text = json.dumps(own, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")


def text_digest(text: str) -> str:
    """MD5 of a text in UTF-8, as 32 hex digits."""
    return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def record_digest(record: Mapping[str, object]) -> str:
    """MD5 of the canonical JSON."""
    return text_digest(canonical_json(record))


def set_digest(digests: set[str]) -> str:
    """One digest for a set of digests, whatever their order."""
    return text_digest("\n".join(sorted(digests)))
