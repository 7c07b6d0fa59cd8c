"""Addresses are taken apart strictly, and nobody repeats a password that was written into one."""

from __future__ import annotations

from typing import Any

import oracledb
import psycopg2
import pymysql
import pytest

from crime_assets.core.errors import LegacyError, UsageError
from crime_assets.migration.addresses import open_database
from crime_assets_tests.migration.tiny import BOTH

GIVEN: list[tuple[str, str, Any, dict[str, object]]] = [
    (
        "postgresql://me@host/legacy",
        "postgresql://host/legacy",
        psycopg2,
        {"host": "host", "user": "me", "dbname": "legacy", "password": "s3cret"},
    ),
    (
        "postgresql://me%40dept@localhost:5433/l%2Fy?host=/tmp/socket&sslmode=require",
        "postgresql://localhost/l%2Fy",
        psycopg2,
        {"host": "/tmp/socket", "port": 5433, "user": "me@dept", "dbname": "l/y", "sslmode": "require"},
    ),
    (
        "oracle+oracledb://me@host/service?schema=dept",
        "oracle+oracledb://host/service",
        oracledb,
        {"host": "host", "port": 1521, "service_name": "service", "user": "me", "password": "s3cret"},
    ),
    (
        "mariadb://me@host:3307/legacy",
        "mariadb://host/legacy",
        pymysql,
        {"host": "host", "port": 3307, "user": "me", "database": "legacy", "password": "s3cret"},
    ),
    (
        "mariadb://me@localhost/legacy?socket=/tmp/s",
        "mariadb://localhost/legacy",
        pymysql,
        {"unix_socket": "/tmp/s", "user": "me"},
    ),
]


@pytest.mark.parametrize(("address", "name", "driver", "where"), GIVEN)
def test_an_address_says_where_the_driver_goes(
    address: str, name: str, driver: Any, where: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}

    def connect(**found: object) -> None:
        given.update(found)
        raise driver.Error("there is nobody")

    monkeypatch.setattr(driver, "connect", connect)
    database = open_database(address, "s3cret", "slot", BOTH)
    assert given == {}, "nothing is opened yet"
    assert database.name == name
    with pytest.raises(LegacyError, match="there is nobody"):
        database.check()
    assert where.items() <= given.items()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "postgresql://",
        "postgresql://host/legacy",
        "postgresql://me@host",
        "postgresql://me@host/",
        "postgresql://me@/legacy",
        "postgresql://me@host/legacy/more",
        "postgresql://me:s3cret@host/legacy",
        "postgresql://me@host/legacy?password=s3cret",
        "postgresql://me@host/legacy?options=-c%20x=1",
        "postgresql://me@host/legacy?sslmode=require&sslmode=disable",
        "postgresql://me@host/legacy?sslmode",
        "postgresql://me@host/legacy#s3cret",
        "postgresql://me@s3cret@host/legacy",
        "postgresql://me:s3/cret@host/legacy",
        "postgresql://me@host:port/legacy",
        "postgresql://me@[host/legacy",
        "mysql://me@host/legacy",
        "mariadb://me@host/legacy?schema=x",
        "oracle+oracledb://me@host/service?schema=x%22y",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(UsageError, match="CRIME_LEGACY") as caught:
        open_database(address, "", "slot", BOTH)
    assert "s3" not in f"{caught.value} {caught.value.__cause__!r}"
