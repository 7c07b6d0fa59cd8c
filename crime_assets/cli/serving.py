"""`crime-assets serve`: the lake's own account answers everybody else, each by the policy."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from urllib.parse import urlsplit

from crime_assets.cli.output import write_answer
from crime_assets.cli.policy import access_of
from crime_assets.cli.status import check_whole
from crime_assets.core.errors import UsageError
from crime_assets.governance.access import Access
from crime_assets.governance.service import Queries, Serving, by_tls, prepare, serve
from crime_assets.profiles import Profile

_HTTPS = 443


def serving(profile: Profile, options: Namespace) -> None:
    """Serve until interrupted. UsageError where that would protect nothing."""
    access, place = access_of(profile), profile.settings.socket
    if place is None and not options.address:
        raise UsageError("Set CRIME_SOCKET to the place of a socket, give --address for pages, or both.")
    scratch = prepare(access, profile.settings.home, as_root=options.as_root)
    queries = Queries(access, write_answer, scratch)
    pages = _pages(profile, access, queries, options) if options.address else None
    check_whole(profile)
    try:
        serve(queries, place, pages, options.address)
    finally:
        access.close()


def _pages(profile: Profile, access: Access, queries: Queries, options: Namespace) -> Serving:
    from crime_assets.publishing.dashboard.serving import Server
    from crime_assets.publishing.governed.app import GovernedPages

    address = urlsplit(options.address)
    plain = f"https://{address.netloc}"
    if options.address.rstrip("/") != plain or not address.hostname or "@" in address.netloc:
        raise UsageError(f"{options.address!r} is no address of pages: give one such as https://crime.city.example.")
    if not options.certificate or not options.key:
        raise UsageError("Pages need --certificate and --key, as files: without TLS anybody between could read them.")
    app = GovernedPages(profile, access, queries, plain).app()
    bind = (options.bind, options.port or address.port or _HTTPS)
    return by_tls(app, bind, Path(options.certificate), Path(options.key), Server)
