"""Serving the dashboard, on this machine only."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

import uvicorn

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard.app import Dashboard
from crime_assets.publishing.reading import Extracts

_HOST = "127.0.0.1"
LAST_SECONDS = 5
"""How long answers that have begun may take to end after an interrupt: a browser that stopped reading would hold it."""


class Server(uvicorn.Server):
    """Tells the application that it ends, before it waits for answers: some would never end by themselves.

    It is told by `stop` of its state, if it has one.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        stop = getattr(getattr(self.config.app, "state", None), "stop", None)
        if stop is not None:
            stop()
        await super().shutdown(sockets)


def serve(profile: Profile, port: int) -> int:
    """Serve on loopback until interrupted. CrimeAssetsError if the port is taken."""
    extracts = Extracts(profile.landing, profile.settings.home / "cache" / "extracts")
    dashboard = Dashboard(profile, extracts)
    with socket.socket() as listening:
        # Without it, restarting the dashboard would mean waiting a minute.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HOST, port))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise CrimeAssetsError(f"Port {port} {why}: give another by --port.") from error
        # Whoever reads the line below may send a request at once.
        listening.listen()
        address = f"http://{_HOST}:{listening.getsockname()[1]}"
        # The server lets requests end, and then passes on the interrupt.
        with suppress(KeyboardInterrupt):
            print(f"The dashboard is on {address} until you press Ctrl-C.", flush=True)
            config = uvicorn.Config(dashboard.app(), log_level="warning", timeout_graceful_shutdown=LAST_SECONDS)
            Server(config).run(sockets=[listening])
    return 0
