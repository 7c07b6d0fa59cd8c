"""Asks the service that owns a lake, where there is one."""

from __future__ import annotations

import codecs
import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.profiles import Settings

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


def ask(settings: Settings, sql: str, form: str, as_of: str | None, purpose: str, out: TextIO) -> None:
    """Write the service's answer. UsageError or CrimeAssetsError with its sentence if it refuses."""
    place, connection, headers = _service(settings)
    asked = json.dumps({"sql": sql, "format": form, "as_of": as_of, "purpose": purpose})
    try:
        connection.request("POST", "/query", asked, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        if answer.status != _FINE:
            told = json.loads(answer.read())
            raise (UsageError if told["exit_code"] == UsageError.exit_code else CrimeAssetsError)(told["error"])
        decoded = codecs.getincrementaldecoder("utf-8")("replace")
        while piece := answer.read(_PIECE):
            out.write(decoded.decode(piece))
        out.write(decoded.decode(b"", final=True))
    except ssl.SSLCertVerificationError as error:
        raise CrimeAssetsError(
            f"The certificate of {place} is not trusted ({error.verify_message}): set SSL_CERT_FILE to who signed it."
        ) from error
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise CrimeAssetsError(
            f"The service at {place} does not answer ({type(error).__name__}): start it with `crime-assets serve`."
        ) from error
    finally:
        connection.close()


def _service(settings: Settings) -> tuple[str, http.client.HTTPConnection, dict[str, str]]:
    """Where the service is, a connection to it, and what proves who asks."""
    if settings.socket is not None:
        return str(settings.socket), _Connection(settings.socket), {}
    address = urlsplit(settings.service)
    trusted = ssl.create_default_context()
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, timeout=_PATIENCE_SECONDS, context=trusted
    )
    return settings.service, connection, {"Authorization": f"Bearer {settings.service_token}"}
