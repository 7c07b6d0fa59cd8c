"""Asks the service that owns a lake, where there is one."""

from __future__ import annotations

import codecs
import http.client
import json
import socket
from pathlib import Path
from typing import TextIO

from crime_assets.core.errors import CrimeAssetsError, UsageError

_PIECE = 1 << 16
_PATIENCE_SECONDS = 600
_FINE = 200


class _Connection(http.client.HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, place: Path) -> None:
        super().__init__("localhost", timeout=_PATIENCE_SECONDS)
        self._place = place

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._place))


def ask(place: Path, sql: str, form: str, as_of: str | None, purpose: str, out: TextIO) -> None:
    """Write the service's answer. UsageError or CrimeAssetsError with its sentence if it refuses."""
    connection = _Connection(place)
    asked = json.dumps({"sql": sql, "format": form, "as_of": as_of, "purpose": purpose})
    try:
        connection.request("POST", "/query", asked, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != _FINE:
            told = json.loads(answer.read())
            raise (UsageError if told["exit_code"] == UsageError.exit_code else CrimeAssetsError)(told["error"])
        decoded = codecs.getincrementaldecoder("utf-8")("replace")
        while piece := answer.read(_PIECE):
            out.write(decoded.decode(piece))
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise CrimeAssetsError(
            f"The service at {place} does not answer ({type(error).__name__}): start it with `crime-assets serve`."
        ) from error
    finally:
        connection.close()
