"""Serving the dashboard on this machine, and no other."""

from __future__ import annotations

import uvicorn

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.dashboard.app import Dashboard
from crime_assets.profiles import Profile

_HOST = "127.0.0.1"


def serve(profile: Profile, port: int) -> int:
    """Answer on loopback until interrupted. CrimeAssetsError where the port is taken."""
    dashboard = Dashboard(
        profile.landing, profile.city, profile.settings.home / "cache" / "extracts", profile.settings.small_numbers
    )
    config = uvicorn.Config(dashboard.app(), host=_HOST, port=port, log_level="warning")
    try:
        socket = config.bind_socket()
    except SystemExit as error:
        raise CrimeAssetsError(f"Port {port} is taken: give another by --port.") from error
    # Who reads the line below may ask at once.
    socket.listen()
    print(f"The dashboard is on http://{_HOST}:{socket.getsockname()[1]} until you press Ctrl-C.", flush=True)
    uvicorn.Server(config).run(sockets=[socket])
    return 0
