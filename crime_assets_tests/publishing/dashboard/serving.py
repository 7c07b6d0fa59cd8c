"""The dashboard on loopback, and a browser to look at it with."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, expect, sync_playwright
from starlette.applications import Starlette

from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard.app import Dashboard
from crime_assets.publishing.dashboard.serving import LAST_SECONDS, Server
from crime_assets.publishing.reading import Extracts

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NO_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to look at pages: apt install chromium")
_DRAWS_MAPS = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
_DRAWS_NONE = ("--disable-3d-apis",)


@contextmanager
def served(profile: Profile, cache: Path, port: int = 0) -> Iterator[str]:
    """The dashboard of a profile; its address."""
    with served_app(Dashboard(profile, Extracts(profile.landing, cache)).app(), port) as address:
        yield address


@contextmanager
def served_app(app: Starlette, port: int = 0) -> Iterator[str]:
    """An application, as the dashboard is served; its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=LAST_SECONDS
    )
    socket = config.bind_socket()
    server = Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive(), "The dashboard did not stop."


@contextmanager
def chromium(*, draws_maps: bool = False) -> Iterator[Browser]:
    """A browser without a window; with WebGL 2 if it `draws_maps`, whatever hardware there is."""
    flags = _DRAWS_MAPS if draws_maps else _DRAWS_NONE
    # Usually it waits five seconds, in which a busy machine may not have drawn a map without hardware for it.
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *flags])
        yield browser
        browser.close()
