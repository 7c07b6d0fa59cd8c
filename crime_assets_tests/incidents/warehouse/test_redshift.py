"""What Redshift is told. No Redshift is there: a recording cursor stands for it, and a store that says it is in S3."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crime_assets.core.errors import UsageError, WarehouseError
from crime_assets.incidents.warehouse import Loaded, MonthFigures
from crime_assets.incidents.warehouse.loading import statements
from crime_assets.incidents.warehouse.redshift import RedshiftWarehouse, connecting
from crime_assets.streams.directory import DirectoryStore

ROLE = "arn:aws:iam::123456789012:role/loads-reports"
NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)


class DriverError(Exception):
    """As the driver raises it: with the parts of the server's answer."""


class S3Like(DirectoryStore):
    def location(self, key: str) -> str:
        return f"s3://b-1/landing/{key}"


class Redshift:
    """A connection, and its cursor, that answer what they are planned to."""

    def __init__(
        self, store: DirectoryStore, answers: list[Any], failures: list[Exception | None] | None = None
    ) -> None:
        self.store = store
        self.answers = iter(answers)
        self.failures = iter(failures or [])
        self.said: list[str] = []
        self.given: list[tuple[Any, ...]] = []
        self.manifests: list[Any] = []

    def cursor(self) -> Redshift:
        return self

    def execute(self, text: str, values: tuple[Any, ...] = ()) -> None:
        assert ";" not in text, "the driver takes one statement at a time"
        assert text.count("%s") == len(values)
        self.said.append(text)
        if values:
            self.given.append(values)
        if found := re.search(r"'s3://b-1/landing/([^']*)'", text):
            manifest = self.store.read(found[1])
            assert manifest is not None, "it is there while it is read"
            self.manifests.append(json.loads(manifest))
            if failure := next(self.failures, None):
                raise failure

    def fetchall(self) -> Any:
        return next(self.answers)

    def fetchone(self) -> Any:
        return next(self.answers)

    def commit(self) -> None:
        self.said.append("COMMIT")

    def close(self) -> None:
        self.said.append("CLOSE")


@pytest.fixture(autouse=True)
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("redshift_connector")
    module.Error = DriverError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "redshift_connector", module)
    return module


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return S3Like(tmp_path)


def warehouse(there: Redshift, role: str = ROLE) -> RedshiftWarehouse:
    return RedshiftWarehouse(lambda: there, "at test", role, clock=lambda: NOW, sleep=lambda _: None)


def test_objects_are_copied_from_s3_in_one_transaction(store: DirectoryStore) -> None:
    there = Redshift(store, [[("two",)], (40,), (7,)])

    assert warehouse(there).load(store, ["one", "two", "one"]) == Loaded(objects=1, reports=40, changed=7)

    begun = [text.split("\n")[0] for text in there.said]
    assert begun[:6] == [
        "LOCK TABLE fir_ledger",
        "CREATE TEMP TABLE fir_candidates (",
        "CREATE TEMP TABLE fir_stage (LIKE fir_history)",
        "INSERT INTO fir_candidates (object_key, loaded_at) VALUES (%s, %s), (%s, %s)",
        "DELETE FROM fir_candidates",
        "SELECT object_key FROM fir_candidates ORDER BY object_key",
    ]
    assert begun[6:] == [
        "COPY fir_stage (",
        "CREATE TEMP TABLE fir_newest AS",
        "DELETE FROM fir_newest",
        "MERGE INTO fir_history",
        "INSERT INTO fir_ledger (object_key, loaded_at)",
        "SELECT COUNT(*) FROM fir_stage",
        "SELECT COUNT(*) FROM fir_newest",
        "COMMIT",
        "CLOSE",
    ]
    assert there.given == [("one", NOW, "two", NOW)]
    assert there.manifests == [{"entries": [{"url": "s3://b-1/landing/two", "mandatory": True}]}]
    assert list(store.list("")) == [], "the manifest does not stay"


def test_the_copy_names_the_manifest_and_the_role(store: DirectoryStore) -> None:
    there = Redshift(store, [[("live/stream=fir/epoch=E1/deliveries/0000/000000000001.gz",)], (1,), (1,)])
    warehouse(there).load(store, ["live/stream=fir/epoch=E1/deliveries/0000/000000000001.gz"])

    (copy,) = (text for text in there.said if text.startswith("COPY"))
    tail = copy.partition(") FROM ")[2]
    assert re.fullmatch(
        r"'s3://b-1/landing/live/loads/[0-9a-f]{32}[.]json'\nIAM_ROLE 'arn:aws:iam::123456789012:role/loads-reports'\n"
        r"FORMAT JSON 'auto' GZIP TIMEFORMAT 'auto' MANIFEST COMPUPDATE OFF STATUPDATE OFF",
        tail,
    )


def test_what_is_known_already_copies_nothing(store: DirectoryStore) -> None:
    there = Redshift(store, [[]])

    assert warehouse(there).load(store, ["one"]) == Loaded(0, 0, 0)
    assert not any(text.startswith(("COPY", "MERGE")) for text in there.said)


CONFLICT = {"S": "ERROR", "C": "XX000", "M": "1023", "D": "Serializable isolation violation on table in Redshift"}


def test_a_conflict_is_tried_again(store: DirectoryStore) -> None:
    there = Redshift(store, [[("one",)], [("one",)], (1,), (1,)], [DriverError(CONFLICT)])

    assert warehouse(there).load(store, ["one"]) == Loaded(1, 1, 1)
    assert (there.said.count("LOCK TABLE fir_ledger"), there.said.count("COMMIT")) == (2, 1)


def test_a_refusal_is_told_without_its_detail(store: DirectoryStore) -> None:
    refused = DriverError({"S": "ERROR", "C": "XX000", "M": "Load into table failed.", "D": "Asha Devi"})
    there = Redshift(store, [[("one",)]], [refused])

    with pytest.raises(WarehouseError, match=r"at test .*\(Load into table failed\)") as caught:
        warehouse(there).load(store, ["one"])
    assert "Asha" not in str(caught.value)
    assert caught.value.__context__ is None
    assert "COMMIT" not in there.said
    assert there.said[-1] == "CLOSE"
    assert list(store.list("")) == []


@pytest.mark.parametrize(
    "role", ["", "loads", "arn:aws:iam::1:role/x", f"{ROLE}'; DROP TABLE fir_history; --", f"{ROLE}\n", f"{ROLE} GZIP"]
)
def test_what_is_no_role_never_gets_into_a_statement(store: DirectoryStore, role: str) -> None:
    with pytest.raises(UsageError, match="is not the ARN of a role"):
        warehouse(Redshift(store, []), role)


@pytest.mark.parametrize("key", ["it's", "a b", "x\ny", 'say "so"'])
def test_odd_keys_are_refused(store: DirectoryStore, key: str) -> None:
    there = Redshift(store, [[(key,)]])

    with pytest.raises(UsageError, match="Redshift cannot read"):
        warehouse(there).load(store, [key])
    assert not any(text.startswith("COPY") for text in there.said)


def test_deliveries_on_a_disk_cannot_be_loaded(tmp_path: Path, store: DirectoryStore) -> None:
    with pytest.raises(UsageError, match="keep deliveries in S3"):
        warehouse(Redshift(store, [[("one",)]])).load(DirectoryStore(tmp_path), ["one"])


def test_figures_are_told_in_utc(store: DirectoryStore) -> None:
    at = datetime(2026, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=5.5)))
    there = Redshift(store, [[(date(2026, 1, 1), 3, 5, at)]])

    assert warehouse(there).figures() == [MonthFigures(date(2026, 1, 1), 3, 5, datetime(2026, 1, 31, 18, tzinfo=UTC))]


def test_tables_are_made_one_statement_at_a_time(store: DirectoryStore) -> None:
    there = Redshift(store, [])
    warehouse(there).prepare()

    assert len(there.said) == len(statements("1_schema")) + 2


def test_a_connection_that_is_refused_tells_no_password(driver: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(**where: Any) -> Any:
        raise DriverError(f"no entry for {where}")

    monkeypatch.setattr(driver, "connect", connect, raising=False)
    where = {"host": "w", "database": "d", "user": "me", "password": "s3cret"}

    with pytest.raises(WarehouseError, match="at test cannot be opened") as caught:
        RedshiftWarehouse(connecting(**where), "at test", ROLE).prepare()
    assert caught.value.__context__ is None


def test_without_the_driver_it_says_what_to_install(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redshift_connector", None)

    with pytest.raises(UsageError, match=r"crime-assets\[live\]"):
        RedshiftWarehouse(connecting(), "at test", ROLE).prepare()
