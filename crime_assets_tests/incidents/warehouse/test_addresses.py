"""Addresses of warehouses, and that nobody sees the password in one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from crime_assets.core.errors import UsageError, WarehouseError
from crime_assets.incidents.warehouse import redshift
from crime_assets.incidents.warehouse.addresses import open_warehouse
from crime_assets.incidents.warehouse.postgres import PostgresWarehouse
from crime_assets.incidents.warehouse.redshift import RedshiftWarehouse
from crime_assets.profiles import Profile, Settings
from crime_assets.profiles.live import LiveReports

SECRET = "5ecret-W0rd"
ROLE = "arn:aws:iam::123456789012:role/loader"


def test_redshift_is_told_what_the_address_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def connect(**where: object) -> None:
        asked.append(where)
        raise ValueError

    driver = SimpleNamespace(connect=connect, Error=ValueError)
    monkeypatch.setattr(redshift, "_driver", lambda: driver)
    warehouse = open_warehouse(f"redshift://us%40er:{SECRET}%2F%40@cluster.example/fir?role={ROLE}")

    assert isinstance(warehouse, RedshiftWarehouse)
    with pytest.raises(WarehouseError, match=r"warehouse redshift://cluster.example/fir cannot be opened"):
        warehouse.figures()
    at = {"host": "cluster.example", "port": 5439, "database": "fir", "user": "us@er", "password": f"{SECRET}/@"}
    assert asked == [at]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_that_is_not_there_is_named_without_password_and_user(scheme: str) -> None:
    warehouse = open_warehouse(f"{scheme}://loader:{SECRET}@127.0.0.1:1/fir?connect_timeout=2")

    assert isinstance(warehouse, PostgresWarehouse)
    with pytest.raises(WarehouseError) as error:
        warehouse.prepare()
    assert f"{scheme}://127.0.0.1/fir cannot be opened" in str(error.value)
    assert not [word for word in (SECRET, "loader") if word in f"{error.value} {error.value.__cause__}"]


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        (f"redshift://user@host/fir?role={ROLE}", "lacks the password"),
        (f"redshift://:{SECRET}@/?role={ROLE}", "lacks the host and the user and the database"),
        (f"redshift://user:{SECRET}@host/fir", "is not the ARN of a role"),
        (f"postgresql://user:12/{SECRET}@host/fir", "write signs such as @"),
        (f"postgresql://user:{SECRET}/x@host/fir", "write signs such as @"),
        (f"postgresql://user:x@host:{SECRET}/fir", "write signs such as @"),
        (f"postgresql://user:{SECRET}@[host/fir", "write signs such as @"),
    ],
)
def test_an_address_that_is_none_is_not_repeated(address: str, advice: str) -> None:
    with pytest.raises(UsageError, match=advice) as error:
        open_warehouse(address)
    assert SECRET not in f"{error.value} {error.value.__cause__}"


@pytest.mark.parametrize("address", [f"mysql://u:{SECRET}@h/d", SECRET, f"postgresql://u:{SECRET} x@h/d"])
def test_a_setting_that_is_no_address_is_not_repeated(address: str) -> None:
    with pytest.raises(UsageError, match="CRIME_WAREHOUSE is not the address of a warehouse: write it like") as error:
        Settings.from_environment({"CRIME_WAREHOUSE": address})
    assert SECRET not in f"{error.value} {error.value.__cause__}"


def test_the_password_shows_nowhere(tmp_path: Path) -> None:
    environment = {"CRIME_HOME": str(tmp_path), "CRIME_STREAM": "fir"}
    made = Profile(Settings.from_environment({**environment, "CRIME_WAREHOUSE": f"postgresql://u:{SECRET}@h/d"}))
    live = LiveReports(made)
    for shown in (made.settings, made, live, live.warehouse()):
        assert SECRET not in f"{shown!r}{shown}"
    with pytest.raises(UsageError, match="set CRIME_WAREHOUSE"):
        LiveReports(Profile(Settings.from_environment(environment))).warehouse()
