"""The service as a program: by TLS in a browser, by its command from elsewhere, and on the socket, all at once."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crime_assets.cli.main import main
from crime_assets.governance import confine
from crime_assets.governance.service import _run_beside, by_tls
from crime_assets.governance.trail import Trail
from crime_assets_tests.build import record, write_export
from crime_assets_tests.publishing.dashboard.serving import NO_BROWSER, chromium
from crime_assets_tests.publishing.governed.behind import POLICY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not confine.landlock_version(), reason="this kernel has no Landlock: nobody is answered here"),
]

PROGRAM = Path(sys.executable).with_name("crime-assets")


def certificate(place: Path) -> tuple[Path, Path]:
    """A certificate for this machine that vouches for itself, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = place / "certificate.pem", place / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


class Served:
    """The program, on a lake of 60 crimes in three districts."""

    def __init__(self, place: Path) -> None:
        self.place, self.home = place, place / "lake"
        self.certificate, self.key = certificate(place)
        policy = place / "policy.toml"
        policy.write_text(POLICY)
        policy.chmod(0o600)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"https://localhost:{self.port}"
        self.environment = {**os.environ, "CRIME_HOME": str(self.home), "CRIME_POLICY": str(policy)}

    def command(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **variables}
        return subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=False)

    def token(self, principal: str = "diaz") -> str:
        return self.command("access", "token", principal).stdout.strip()

    def start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [PROGRAM, "serve", "--as-root", *self.arguments()],
            env={**self.environment, "CRIME_SOCKET": str(self.place / "s")},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert f"{self.place / 's'} and {self.address}" in process.stdout.readline()
        return process

    def arguments(self) -> list[str]:
        return ["--address", self.address, "--certificate", str(self.certificate), "--key", str(self.key)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("served")
    found = Served(place)
    days = [f"2024-01-{20 + n % 3}" for n in range(60)]
    crimes = [record(n + 1, day, "2024-01-03", district=("011", "012", "025")[n % 3]) for n, day in enumerate(days)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRIME_HOME", str(found.home))
        patch.setenv("CRIME_FEED", "export")
        patch.setenv("CRIME_EXPORT", str(write_export(place / "crimes.csv", crimes)))
        assert main(["run", "--no-insights", "--from", "2024-01-21", "--to", "2024-01-22"]) == 0
    found.home.chmod(0o700)
    process = found.start()
    yield found
    # As an init system does it.
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, "one signal ends both servers"
    assert not (place / "s").exists()


def test_the_command_asks_from_elsewhere(served: Served) -> None:
    asked = "SELECT min(district) AS d, count(*) AS n FROM crimes"
    known = {"CRIME_SERVICE": served.address, "CRIME_TOKEN": served.token(), "SSL_CERT_FILE": str(served.certificate)}
    done = served.command("query", "--format", "csv", asked, **known)
    assert (done.returncode, done.stdout, done.stderr) == (0, "d,n\n011,20\n", "")
    done = served.command("query", asked, **{**known, "CRIME_TOKEN": "crime_wrong"})
    assert (done.returncode, done.stdout, "token is not known" in done.stderr) == (2, "", True)
    done = served.command("query", asked, **{**known, "SSL_CERT_FILE": "/dev/null"})
    assert (done.returncode, done.stdout, "is not trusted" in done.stderr) == (1, "", True)
    done = served.command("query", asked, CRIME_SERVICE=served.address)
    assert (done.returncode, "CRIME_SERVICE needs CRIME_TOKEN" in done.stderr) == (2, True)


def test_a_revoked_principal_is_refused_within_a_second(served: Served) -> None:
    policy = served.place / "policy.toml"
    known = {"CRIME_SERVICE": served.address, "CRIME_TOKEN": served.token(), "SSL_CERT_FILE": str(served.certificate)}
    assert served.command("query", "SELECT 1", **known).returncode == 0
    done = served.command("access", "revoke", "diaz")
    assert done.returncode == 0, done.stderr
    assert served.command("query", "SELECT 1", **known).returncode == 2
    granted = ["access", "grant", "diaz", "--role", "commander", "--district", "011", "--until", "2999-12-31"]
    assert served.command(*granted).returncode == 0
    assert served.command("query", "SELECT 1", **known).returncode == 2, "its tokens are gone"
    events = [(line.event, line.fields.get("principal")) for line in Trail(served.home / "trail").entries()]
    assert [event for event in events if event[0] in {"revoke", "grant"}] == [("revoke", "diaz"), ("grant", "diaz")]
    policy.write_text(POLICY)


def test_nothing_is_told_without_tls(served: Served) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    plain.request("GET", "/login")
    with pytest.raises((http.client.HTTPException, OSError)):
        plain.getresponse()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(served.certificate)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", served.port)) as raw, pytest.raises((ssl.SSLError, OSError)):
        old.wrap_socket(raw, server_hostname="localhost")


@NO_BROWSER
def test_a_person_logs_in_looks_and_logs_out(served: Served) -> None:
    with chromium() as browser:
        page = browser.new_context(ignore_https_errors=True).new_page()
        errors: list[str] = []
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(f"{served.address}/?period=all")
        assert page.title() == "Log in"
        assert not Axe().run(page).response["violations"]
        page.get_by_label("Token").fill(served.token())
        page.get_by_role("button", name="I agree").click()
        page.wait_for_selector("#choice")
        assert "of district 011" in page.locator(".viewer").inner_text()
        assert page.url == f"{served.address}/?period=all"
        assert [
            option for option in page.locator("#district option").all_inner_texts() if option != "All districts"
        ] == ["011"]
        page.select_option("#offense_class", "property")
        page.wait_for_url("**offense_class=property**")
        assert not Axe().run(page).response["violations"]
        assert not errors
        page.get_by_role("button", name="Log out").click()
        page.wait_for_selector("#token")
        page.go_back()
        page.reload()
        assert page.title() == "Log in"


async def _nothing(scope: object, receive: object, send: object) -> None:
    """An application that answers nobody."""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_listens_where_it_is_told(host: str, tmp_path: Path) -> None:
    _, listening = by_tls(_nothing, (host, 0), *certificate(tmp_path))
    with listening:
        assert listening.getsockname()[0] == host


def test_a_service_of_which_one_half_ends_ends_whole(tmp_path: Path) -> None:
    pages, listening = by_tls(_nothing, ("127.0.0.1", 0), *certificate(tmp_path))
    other = uvicorn.Server(uvicorn.Config(_nothing))
    with listening:
        pages.should_exit = True
        thread = threading.Thread(target=_run_beside, args=[pages, listening, other])
        thread.start()
        thread.join()
    assert other.should_exit
