"""Serving the dashboard on this machine, and no other."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

import uvicorn

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard.app import Dashboard

_HOST = "127.0.0.1"


def serve(profile: Profile, port: int) -> int:
    """Answer on loopback until interrupted. CrimeAssetsError where the port is taken."""
    dashboard = Dashboard(profile, profile.settings.home / "cache" / "extracts")
    with socket.socket() as listening:
        # Without it, whoever stops it and starts it again would have to wait a minute.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HOST, port))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise CrimeAssetsError(f"Port {port} {why}: give another by --port.") from error
        # Who reads the line below may ask at once.
        listening.listen()
        address = f"http://{_HOST}:{listening.getsockname()[1]}"
        # The server lets requests end, and then hands on the interrupt.
        with suppress(KeyboardInterrupt):
            print(f"The dashboard is on {address} until you press Ctrl-C.", flush=True)
            uvicorn.Server(uvicorn.Config(dashboard.app(), log_level="warning")).run(sockets=[listening])
    return 0
