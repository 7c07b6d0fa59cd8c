"""Whether a disk is encrypted is what the system says of it and of all that it lies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from crime_assets.governance.closed import is_encrypted

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("does", "found"),
    [("printf 'lvm\\ncrypt\\npart\\ndisk\\n'", True), ("echo disk", False), ("true", None), ("exit 32", None)],
)
def test_what_lsblk_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, found: bool | None) -> None:
    program = tmp_path / "lsblk"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert is_encrypted(tmp_path) is found


def test_without_lsblk_nobody_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert is_encrypted(tmp_path) is None
