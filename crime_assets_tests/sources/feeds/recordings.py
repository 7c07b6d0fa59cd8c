"""Recorded answers of the live portals, read from the shared data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Recording:
    """One recorded exchange; `body` is what the client saw, unpacked."""

    url: str
    status: int
    headers: dict[str, str]
    body: str


def recordings(shared_data: Path, name: str) -> list[Recording]:
    """The exchanges of one recording, in their order."""
    text = (shared_data / "soda/cassettes" / f"{name}.yaml").read_text(encoding="utf-8")
    # The C loader is as safe and many times as fast; not every build of PyYAML has it.
    interactions = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["interactions"]
    return [
        Recording(
            url=one["request"]["uri"],
            status=one["response"]["status"]["code"],
            headers={header: values[0] for header, values in one["response"]["headers"].items()},
            body=one["response"]["body"]["string"],
        )
        for one in interactions
    ]
