"""Logging in: with a token, with a provider's account, and everything that must not be a login."""

from __future__ import annotations

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_provider_mock import run_server_in_thread
from starlette.testclient import TestClient

from crime_assets.core.errors import UsageError
from crime_assets.governance import oidc
from crime_assets.governance.policy import Login
from crime_assets_tests.governance.worlds import lay, versions
from crime_assets_tests.publishing.governed.behind import ADDRESS, POLICY, SAME_SITE, Behind

pytestmark = pytest.mark.slow

KEY, OTHER_KEY = RSAKey.generate_key(2048), RSAKey.generate_key(2048)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("login")
    lay(found / "lake", versions(seed=1, crimes=40))
    return found


@pytest.fixture
def behind(place: Path) -> Behind:
    return Behind(place)


class Forger(BaseHTTPRequestHandler):
    """A provider that vouches for whatever the test has put into `claims`, signed with `key`."""

    claims: dict[str, Any]
    key: Any
    algorithm: str

    def do_GET(self) -> None:
        host = f"http://{self.headers['Host']}"
        self._say(
            {"keys": [KEY.as_dict(private=False)]}
            if self.path == "/jwks"
            else {
                "issuer": host,
                "authorization_endpoint": f"{host}/authorize",
                "token_endpoint": f"{host}/token",
                "jwks_uri": f"{host}/jwks",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            }
        )

    def do_POST(self) -> None:
        header = {"alg": self.algorithm}
        signed = f"{_part(header)}.{_part(self.claims)}"
        match self.algorithm:
            case "none":
                token = f"{signed}."
            case "missing":
                self._say({"access_token": "a", "token_type": "Bearer", "userinfo": self.claims})
                return
            case "HS256":
                # The provider's public key as if it were a secret that both have.
                token = f"{signed}.{_encoded(hmac.digest(self.key, signed.encode(), 'sha256'))}"
            case _:
                token = jwt.encode(header, self.claims, self.key)
        self._say({"access_token": "a", "token_type": "Bearer", "id_token": token})

    def _say(self, told: object) -> None:
        content = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _part(told: object) -> str:
    return _encoded(json.dumps(told).encode())


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def forger() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forger)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def with_login(issuer: str, methods: str = "") -> str:
    told = f'version = 1\n\n[login]\nissuer = "{issuer}"\nclient = "crime"\n{methods}\n'
    policy = POLICY.replace("version = 1", told.replace("version = 1", "")).lstrip()
    # Top-level keys come before the first table.
    policy = policy.replace('city = "chicago"', "", 1)
    return 'version = 1\ncity = "chicago"\n' + policy.replace(
        'districts = ["011"]', 'districts = ["011"]\noidc = "a1"', 1
    )


Forge = Callable[..., httpx2.Response]


@pytest.fixture
def forge(place: Path, forger: str) -> Forge:
    """The answer to a login for which the provider says this."""
    made: dict[str, Behind] = {}

    def answer(methods: str = "", key: Any = KEY, algorithm: str = "RS256", **claims: object) -> httpx2.Response:
        behind = made.setdefault(methods, Behind(place, with_login(forger, methods)))
        behind.put(with_login(forger, methods))
        client = behind.client()
        began = client.get("/login/go", params={"next": "/tables"}, headers=SAME_SITE)
        asked = parse_qs(urlsplit(began.headers["location"]).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"] == [f"{ADDRESS}/login/back"]
        now = int(time.time())
        usual = {"iss": forger, "aud": "crime", "sub": "a1", "exp": now + 60, "iat": now, "nonce": asked["nonce"][0]}
        Forger.claims = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        Forger.key, Forger.algorithm = key, algorithm
        return client.get("/login/back", params={"code": "c", "state": asked["state"][0]})

    return answer


def test_the_providers_word_is_a_login(forge: Forge) -> None:
    answer = forge()
    assert (answer.status_code, answer.headers["location"]) == (303, "/tables")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    for part in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
        assert part.lower() in cookie.lower()


@pytest.mark.parametrize(
    "forged",
    [
        {"sub": "b2"},
        {"sub": ""},
        {"sub": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"key": OTHER_KEY},
        {"algorithm": "none"},
        {"algorithm": "missing"},
        {"sub": 7},
        {"algorithm": "HS256", "key": KEY.as_pem(private=False)},
    ],
)
def test_what_is_forged_is_none(forge: Forge, place: Path, forged: dict[str, Any]) -> None:
    answer = forge(**forged)
    assert answer.status_code == 401
    assert "__Host-session" not in answer.headers.get("set-cookie", "")
    last = list(Behind(place, POLICY).lines())[-1]
    assert (last.event, last.fields["how"]) == ("login_failed", "oidc")


@pytest.mark.parametrize(("methods", "status"), [(["pwd", "mfa"], 303), (["pwd"], 401), ("mfa", 401), (None, 401)])
def test_the_policy_may_demand_a_second_factor(forge: Forge, methods: object, status: int) -> None:
    assert forge('methods = ["mfa", "hwk"]', amr=methods).status_code == status


def test_a_login_that_nobody_began_is_none_and_locks_nobody(place: Path, forger: str) -> None:
    """Pictures on another site could ask for that all day."""
    behind = Behind(place, with_login(forger))
    before = len(behind.lines())
    for _ in range(7):
        answer = behind.client().get("/login/back", params={"code": "c", "state": "s"})
        assert (answer.status_code, "__Host-session" in answer.headers.get("set-cookie", "")) == (401, False)
    assert [line.event for line in behind.lines()[before:]] in ([], ["policy_changed"])


def test_a_login_begins_at_the_page_with_the_notice(place: Path, forger: str) -> None:
    behind = Behind(place, with_login(forger))
    assert behind.client().get("/login/go", headers={"sec-fetch-site": "cross-site"}).status_code == 404


def test_another_provider_counts_from_the_next_login_on(forge: Forge, place: Path, forger: str) -> None:
    """A subject of one provider is nobody at another."""
    behind = Behind(place, with_login(forger))
    client = behind.client()
    began = client.get("/login/go", headers=SAME_SITE)
    asked = parse_qs(urlsplit(began.headers["location"]).query)
    behind.put(with_login("http://localhost:9"))
    answer = client.get("/login/back", params={"code": "c", "state": asked["state"][0]})
    assert (answer.status_code, "set-cookie" in answer.headers and "session=" in answer.headers["set-cookie"]) == (
        401,
        False,
    )
    assert behind.client().get("/login/go", headers=SAME_SITE).status_code == 503, "the new one is asked, which is away"
    behind.put(POLICY)
    assert behind.client().get("/login/go", headers=SAME_SITE).status_code == 404
    assert "your account" not in behind.client().get("/login").text


def test_a_provider_that_is_away_is_a_sentence(place: Path) -> None:
    behind = Behind(place, with_login("http://127.0.0.1:9"))
    answer = behind.client().get("/login/go", headers=SAME_SITE)
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)


def test_logging_in_with_a_provider_of_others(place: Path) -> None:
    """Not one of ours: authorization code, PKCE and signatures as somebody else understood them."""
    with run_server_in_thread() as server:
        issuer = f"http://localhost:{server.server_port}"
        behind = Behind(place, with_login(issuer), secret="ours")
        client = behind.client()
        assert "log in with your account" in client.get("/login").text
        to = client.get("/login/go", headers=SAME_SITE).headers["location"]
        back = httpx2.post(to, data={"sub": "a1"}).headers["location"]
        answer = client.get(back)
        assert answer.status_code == 303, answer.text
        assert "of district 011" in client.get("/").text


def test_without_what_it_takes_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "authlib.integrations.starlette_client", None)
    with pytest.raises(UsageError, match=r"crime-assets\[login\]"):
        oidc.Provider(Login("https://login.example", "crime"), "")


def login(client: TestClient, token: str, **how: Any) -> httpx2.Response:
    told: dict[str, Any] = {"data": {"token": token}, "headers": SAME_SITE, **how}
    return client.post("/login/token", **told)


@pytest.mark.parametrize("token", ["", "x", "crime_" + "A" * 43, "' OR 1=1"])
def test_a_wrong_token_is_no_login(behind: Behind, token: str) -> None:
    answer = login(behind.client(), token)
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert "not known" in answer.text
    assert behind.events("how")[-1] == ("login_failed", "token")


def test_a_form_of_another_site_is_no_login(behind: Behind) -> None:
    """Who is logged in unawares as somebody else shows them what is theirs."""
    token = behind.token("diaz")
    for headers in ({}, {"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        answer = login(behind.client(), token, headers=headers)
        assert (answer.status_code, "set-cookie" in answer.headers) == (404, False)
    assert login(behind.client(), token, headers={"origin": ADDRESS}).status_code == 303


@pytest.mark.parametrize(
    ("asked", "gone_to"),
    [
        ("/tables?day=1", "/tables?day=1"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("", "/"),
    ],
)
def test_after_the_login_one_is_here(behind: Behind, asked: str, gone_to: str) -> None:
    answer = login(behind.client(), behind.token("diaz"), params={"next": asked})
    assert answer.headers["location"] == gone_to
    assert answer.headers.get_list("set-cookie")[0].startswith("__Host-session=")
    assert len(answer.headers.get_list("set-cookie")) == 1


def test_a_page_comes_after_the_login_and_its_notice(behind: Behind) -> None:
    answer = behind.client().get("/table/areas.csv?district=011")
    assert answer.headers["location"] == "/login?next=/table/areas.csv%3Fdistrict%3D011"
    page = behind.client().get(answer.headers["location"]).text
    assert "recorded and reviewed" in page
    assert 'action="/login/token?next=%2Ftable%2Fareas.csv%3Fdistrict%3D011"' in page


def test_an_address_that_guesses_waits(behind: Behind) -> None:
    client, good = behind.client(), behind.token("diaz")
    for _ in range(5):
        assert login(client, "wrong").status_code == 401
    before = len(behind.lines())
    answer = login(client, good)
    assert (answer.status_code, "Too many logins" in answer.text) == (401, True)
    assert len(behind.lines()) == before, "one who hammers does not fill the trail"
    behind.later(minutes=16)
    assert login(client, good).status_code == 303


def test_a_program_with_an_old_token_locks_nobody(behind: Behind) -> None:
    """Many may come from one address."""
    client, good = behind.client(), behind.token("diaz")
    lines = len(behind.lines())
    for _ in range(9):
        assert client.get("/me", headers={"Authorization": "Bearer old"}).status_code == 401
    assert [line.event for line in behind.lines()[lines:]] == ["login_failed"] * 5
    assert client.get("/me", headers={"Authorization": f"Bearer {good}"}).status_code == 200
    assert login(client, good).status_code == 303


def test_a_second_login_ends_the_first(behind: Behind) -> None:
    client = behind.logged_in("diaz")
    first = dict(client.cookies)
    assert login(client, behind.token("diaz")).status_code == 303
    other = behind.client()
    other.cookies.update(first)
    assert other.get("/words").status_code == 303
    assert client.get("/words").status_code == 200
    assert ("session_ended", "logged in again") in behind.events("reason")


def test_a_broken_policy_is_no_news_for_strangers(behind: Behind) -> None:
    behind.put(POLICY.replace('role = "watch"', 'role = "secretrole"'))
    for answer in (behind.client().get("/login"), behind.client().get("/me", headers={"Authorization": "Bearer x"})):
        assert answer.status_code == 503
        assert "cannot be used" in answer.text
        assert "secretrole" not in answer.text
        assert str(behind.policy) not in answer.text
    behind.put(POLICY)
