"""Two worlds of real rows behind the service as a program: by the socket and by TLS, each attack gets one answer."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crime_assets.governance import confine
from crime_assets.governance.gates import GATE
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.governance.test_service import Answer, as_account, post
from crime_assets_tests.governance.test_two_worlds import attacks
from crime_assets_tests.lakehouse.lakes import files
from crime_assets_tests.publishing.governed.behind import POLICY, SCOPES
from crime_assets_tests.publishing.governed.test_served import Served
from crime_assets_tests.stress.test_two_worlds import lakes

__all__ = ["lakes"]

pytestmark = [
    pytest.mark.stress,
    pytest.mark.skipif(not confine.landlock_version(), reason="this kernel has no Landlock: nobody is answered here"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as several accounts"),
]

ACCOUNTS = dict(zip(SCOPES, ("nobody", "daemon", "bin"), strict=True))
KEY = bytes(range(32))


class Open(Served):
    """The program on a lake that is there, for whom an account is a principal, too."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        text = POLICY
        for principal, account in ACCOUNTS.items():
            text = text.replace(f"[principals.{principal}]\n", f'[principals.{principal}]\nos_user = "{account}"\n')
        (place / "policy.toml").write_text(text)
        self.data_file = files(Lake(self.home))[0]
        self.tokens = {principal: self.token(principal) for principal in SCOPES}

    def filled(self, sql: str) -> str:
        """An attack with the places of this world."""
        gate = next(iter(sorted((self.home / "gates").glob(f"*/{GATE}"))), self.home / "gates" / GATE)
        places = {"d": Path(self.data_file).parent, "f": self.data_file, "gate": gate, "out": self.place}
        for name, place in places.items():
            sql = sql.replace("{" + name + "}", str(place))
        return sql

    def by_socket(self, principal: str, sql: str) -> Answer:
        uid = pwd.getpwnam(ACCOUNTS[principal]).pw_uid
        return as_account(uid, lambda: post(self.place / "s", {"sql": sql, "format": "csv"}))

    def by_tls(self, principal: str, sql: str) -> Answer:
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection("localhost", self.port, context=trusted, timeout=60)
        proof = {"Authorization": f"Bearer {self.tokens[principal]}", "Content-Type": "application/json"}
        connection.request("POST", "/query", json.dumps({"sql": sql, "format": "csv"}), proof)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode()
        connection.close()
        return found

    def said(self, by: str, principal: str, sql: str) -> object:
        """What comes back, this world's places taken out; without an order, two threads hand rows over in either."""
        status, text = getattr(self, by)(principal, self.filled(sql))
        text = text.replace(self.data_file, "FILE").replace(str(self.place), "PLACE")
        return status, text if "ORDER BY" in sql else sorted(text.splitlines())


@pytest.fixture(scope="module")
def served(lakes: list[Path]) -> Iterator[list[Open]]:
    for above in (lakes[0], *lakes[0].parents):
        above.chmod(above.stat().st_mode | 0o011)  # others may pass through, to the socket
    with ExitStack() as held:
        found = []
        for home in lakes:
            home.chmod(0o711)
            (home / "lake").chmod(0o700)
            (home / "lake" / "governance").mkdir(mode=0o700, exist_ok=True)
            (home / "lake" / "governance" / "mask.key").write_bytes(KEY)
            (home / "lake" / "governance" / "mask.key").chmod(0o600)
            one = Open(home)
            process = one.start()
            held.callback(process.wait, 60)
            held.callback(process.terminate)
            found.append(one)
        yield found


@pytest.mark.parametrize("principal", SCOPES)
@pytest.mark.parametrize("by", ["by_socket", "by_tls"])
def test_no_attack_sees_a_difference(served: list[Open], by: str, principal: str) -> None:
    count = "SELECT count(*) AS n FROM crimes"
    (status, rows), other = (one.said(by, principal, count) for one in served)
    assert (status, rows) == other
    assert status == 200, rows
    assert int(min(rows)) > 1_000
    for name, sql in attacks().items():
        one, two = (world.said(by, principal, sql) for world in served)
        assert one == two, name
        assert "ZHIDDEN" not in str(one)
