"""The key of keyed hashes: made once for a lake, and read by who makes gates, nobody else."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from crime_assets.cloud.aws.errors import explained
from crime_assets.core.errors import LakeError

_BYTES = 32
_BLOCK = 64
"""Bytes of a block of SHA-256, to which HMAC fills a key up (RFC 2104)."""


@dataclass(frozen=True)
class MaskKey:
    """A key as HMAC uses it; `id` tells two keys apart and says nothing of them."""

    id: str
    inner: bytes = field(repr=False)
    outer: bytes = field(repr=False)

    @property
    def mark(self) -> str:
        """What its hashes begin with: those of another key are no use beside them."""
        return f"K{self.id[:6]}-"


def mask_key(directory: Path) -> MaskKey:
    """The key in a directory, made if there is none. LakeError if others may read it."""
    path = directory / "mask.key"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        _make(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        key = file.read()
    if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise LakeError(f"Others than its owner may read {path}: run `chmod 600 {path}`.")
    if len(key) != _BYTES:
        raise LakeError(f"{path} is not a key: restore it, or remove it; then every masked case number is a new one.")
    return _prepared(key)


def secret_key(client: Any, name: str) -> MaskKey:
    """The key in a secret of AWS Secrets Manager, whose binary value is 32 random bytes; `client` is boto3's."""
    with explained(f"read the secret {name}", "CRIME_MASK_KEY"):
        key = client.get_secret_value(SecretId=name).get("SecretBinary", b"")
    if len(key) != _BYTES:
        raise LakeError(f"The secret {name} is not a key: give it a binary value of {_BYTES} random bytes.")
    return _prepared(key)


def hasher(key: MaskKey) -> Callable[[str, str], str]:
    """Keyed hashes of texts by their kind, for reports: the mark of the key and 16 hexadecimal digits."""
    inner, outer = sha256(key.inner), sha256(key.outer)

    def hashed(kind: str, text: str) -> str:
        first, second = inner.copy(), outer.copy()
        first.update(f"{kind}\0{text}".encode())
        second.update(first.digest())
        return key.mark + second.hexdigest()[:16]

    return hashed


def _prepared(key: bytes) -> MaskKey:
    filled = key.ljust(_BLOCK, b"\0")
    return MaskKey(
        sha256(b"crime-assets mask key " + key).hexdigest()[:16],
        bytes(byte ^ 0x36 for byte in filled),
        bytes(byte ^ 0x5C for byte in filled),
    )


def _make(path: Path) -> None:
    """Write a new key; another process may be faster."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename: it does not replace the key of another process.
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
