"""Whether a lake on this machine is closed: who can read its files needs no policy's leave."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from crime_assets.core.errors import UsageError


def check_closed(home: Path) -> None:
    """UsageError if others than its owner, or another account than this one, can read a lake."""
    for place in (home, *(path for path in home.iterdir() if path.is_dir())):
        state = place.stat()
        if state.st_uid != os.geteuid():
            raise UsageError(f"{place} belongs to another account: start the service as the one that owns the lake.")
    if home.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"Others may read the lake {home}, whatever the policy says: run `chmod 700 {home}`.")


def is_encrypted(home: Path) -> bool | None:
    """Whether the disk of a directory is encrypted by the kernel (dm-crypt); None if that cannot be told."""
    device = home.stat().st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    command = ["lsblk", "--inverse", "--noheadings", "--output", "TYPE", f"/dev/{name}"]
    try:
        # The device and all that it lies on, one a line.
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    kinds = set(listed.stdout.split())
    return "crypt" in kinds if kinds else None
