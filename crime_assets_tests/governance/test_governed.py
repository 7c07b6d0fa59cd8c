"""The masked tables for AWS: what a gate of the role would hold of all rows, written only where something changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import boto3
import pandas as pd
import pytest

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.governance.cutting import FEWEST
from crime_assets.governance.governed import behind, masking_scopes, write_governed
from crime_assets.governance.grants import masked_table
from crime_assets.governance.keys import MaskKey, mask_key, secret_key
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import stored_files
from crime_assets.lakehouse.upkeep import compaction
from crime_assets.lakehouse.upkeep.compaction import compact
from crime_assets.lakehouse.upkeep.expiry import expire
from crime_assets.lakehouse.upkeep.orphans import remove_orphans
from crime_assets.lakehouse.upkeep.sizes import table_sizes
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.cloud.aws.firehose_server import DeliveryStream
from crime_assets_tests.cloud.aws.profiles import aws_profile, aws_variables
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.governance.policies import TEXT, TYPES, policy
from crime_assets_tests.governance.test_gates import as_rows, cells, token
from crime_assets_tests.governance.worlds import LAST, lay, versions
from crime_assets_tests.graph import Graph
from crime_assets_tests.lakehouse.lakes import merge, rows

pytestmark = pytest.mark.slow

PLACE = "chicago_governed"
DAY = "2024-01-25"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lay(tmp_path / "lake", versions(seed=5, crimes=500))


def key(place: Path) -> MaskKey:
    return mask_key(place)


def held(lake: Lake, role: str) -> pd.DataFrame:
    table = tables.load(lake, PLACE, masked_table(role))
    assert table is not None
    return table.scan().to_pandas()


def snapshots(lake: Lake) -> dict[str, list[int]]:
    found = tables.every(lake, PLACE)
    return {name: [one.snapshot_id for one in table.snapshots()] for name, table in found.items()}


def test_a_table_has_all_rows_masked_and_only_what_its_role_sees(lake: Lake, tmp_path: Path) -> None:
    done = write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    assert done.keys() == {"crimes_commander", "crimes_desk", "crimes_analyst"}, "the steward sees the lake itself"
    wanted = pd.DataFrame(rows(lake))
    wanted[["latitude", "longitude"]] = cells(wanted, 8)
    wanted["case_number"] = [token((tmp_path / "mask.key").read_bytes(), text) for text in wanted["case_number"]]
    wanted["occurred_at"] = pd.to_datetime(wanted["occurred_at"]).dt.floor("D")
    found = held(lake, "analyst").drop(columns="ingested_at")
    wanted = wanted[list(found.columns)]
    for column in ("occurred_at", "occurred_on", "month", "change_day"):
        found[column], wanted[column] = pd.to_datetime(found[column]), pd.to_datetime(wanted[column])
    assert not {"id", "block", "record_md5", "x_coordinate"} & set(found.columns)
    assert as_rows(found) == as_rows(wanted)
    assert found.groupby(["latitude", "longitude"]).size().min() >= FEWEST
    removed = {row["id"] for row in rows(lake, "crimes_removed")}
    assert removed
    assert not removed & set(held(lake, "commander")["id"])


def test_only_what_changed_is_written_and_nobody_looks_back(lake: Lake, tmp_path: Path) -> None:
    write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    before = snapshots(lake)
    again = write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    assert snapshots(lake) == before
    assert {one.replaced for one in again.values()} == {0}
    merge(
        lake, envelope(record(9001, f"{LAST}", "2024-01-03", district="011", latitude=None, longitude=None), f"{LAST}")
    )
    done = write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    assert {one.replaced for one in done.values()} == {1}, "one month"
    assert 9001 in set(held(lake, "commander")["id"])
    assert {len(found) for found in snapshots(lake).values()} == {1}, "the state before is gone"


def test_a_role_that_sees_less_or_masks_no_more_leaves_nothing_behind(lake: Lake, tmp_path: Path) -> None:
    write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    less = TEXT.replace('identity = "token", place = "cell", occurred_at = "day"', 'identity = "token"')
    less = less.replace('mask = { place = "cell" }', "")
    write_governed(lake, CHICAGO, policy(less), lambda: key(tmp_path))
    assert snapshots(lake).keys() == {"crimes_desk", "crimes_analyst"}
    assert not {"latitude", "occurred_at"} & set(held(lake, "analyst").columns)
    # Rows without months are one part.
    timeless = less.replace('"month", ', "")
    write_governed(lake, CHICAGO, policy(timeless), lambda: key(tmp_path))
    assert len(held(lake, "analyst")) == len(rows(lake))


def files(lake: Lake) -> set[str]:
    """All files of masked tables, metadata too."""
    return {str(path) for path in (lake.warehouse / PLACE).rglob("*") if path.is_file()}


def test_upkeep_removes_what_masked_tables_no_longer_need(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of a replaced month go; snapshots are not kept for the retention, as those of the city's tables are."""
    monkeypatch.setattr(compaction, "MOST_MANIFESTS", 2)
    write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    months = {path for path in files(lake) if path.endswith(".parquet")}
    for n in range(3):
        merge(lake, envelope(record(9001 + n, f"{LAST}", "2024-01-03", district="011"), f"{LAST}"))
        write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    kept = {name: table.metadata.current_snapshot_id for name, table in tables.every(lake, "chicago").items()}
    before = held(lake, "analyst")

    done = compact(lake, CHICAGO)
    assert done["chicago_governed.crimes_analyst"].manifests_gathered > 0
    expire(lake, CHICAGO, (), datetime(2000, 1, 1, tzinfo=UTC))
    assert {len(found) for found in snapshots(lake).values()} == {1}
    assert kept["crimes"] in {one.snapshot_id for one in tables.every(lake, "chicago")["crimes"].snapshots()}
    removed = remove_orphans(lake, CHICAGO, datetime(2100, 1, 1, tzinfo=UTC))
    assert removed["chicago_governed.crimes_analyst"].files_removed > 0
    assert table_sizes(lake, "chicago")["chicago_governed.crimes_analyst"].snapshots == 1

    assert as_rows(held(lake, "analyst")) == as_rows(before)
    live = {
        path
        for table in tables.every(lake, PLACE).values()
        for path in tables.paths_of(table, tables.data_files(table))
    }
    assert {path for path in files(lake) if path.endswith(".parquet")} == live
    assert not months <= live


def test_a_dropped_table_leaves_no_file(lake: Lake, tmp_path: Path) -> None:
    write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    clear = TEXT.replace('identity = "token", place = "cell", occurred_at = "day"', "").replace('place = "cell"', "")
    write_governed(lake, CHICAGO, policy(clear), lambda: key(tmp_path))
    assert files(lake) == set()


def test_a_table_made_anew_leaves_none_of_its_former_files(lake: Lake, tmp_path: Path) -> None:
    write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    before = files(lake)
    less = TEXT.replace('"ward", ', "")
    write_governed(lake, CHICAGO, policy(less), lambda: key(tmp_path))
    assert files(lake)
    assert not before & files(lake)


STRICTER = TEXT.replace('to = "day"', 'to = "month"')
"""The same policy with a mask that tells less."""


def test_a_table_that_is_not_yet_what_the_policy_says_is_named(lake: Lake, tmp_path: Path) -> None:
    def said(text: str, place: Path = tmp_path) -> list[str]:
        return list(behind(lake, CHICAGO, policy(text), lambda: key(place)))

    assert said(TEXT) == [], "what is not there shows nothing"
    write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    assert said(TEXT) == []
    assert said(TEXT.replace('tables = ["crimes", "insights"]', 'tables = ["crimes"]')) == [], "no table differs by it"
    analyst, desk = said(STRICTER)
    assert "chicago_governed.crimes_analyst has the role analyst masked otherwise than the policy says" in analyst
    assert desk.endswith("materialize governed_crimes.")
    other = tmp_path / "other"
    other.mkdir()
    assert len(said(TEXT, other)) == 2, "commanders see no keyed hash"
    (gone,) = said(TEXT.replace('clear = ["open", "detail", "identity", "origin"]\nmask = { place = "cell" }', ""))
    assert "chicago_governed.crimes_commander is of no role that masks" in gone

    write_governed(lake, CHICAGO, policy(STRICTER), lambda: key(tmp_path))
    assert said(STRICTER) == []
    assert len(said(TEXT)) == 2


def test_what_a_table_was_masked_by_is_noted_also_where_no_row_differs(lake: Lake, tmp_path: Path) -> None:
    write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    before = snapshots(lake)
    for table in tables.every(lake, PLACE).values():
        tables.set_mark(table, tables.MASKS_MARK, "of a program before")
    assert len(list(behind(lake, CHICAGO, policy(), lambda: key(tmp_path)))) == 3
    write_governed(lake, CHICAGO, policy(), lambda: key(tmp_path))
    assert list(behind(lake, CHICAGO, policy(), lambda: key(tmp_path))) == []
    assert snapshots(lake) == before


def test_what_rows_are_chosen_by_is_in_the_table(tmp_path: Path) -> None:
    text = (
        TEXT.replace(' "district",', "")
        .replace('        "district",', "")
        .replace("[masks]", 'areas = ["district"]\n\n[masks]', 1)
    )
    assert masking_scopes(policy(text), TYPES)["desk"].columns["district"] is None


def test_the_key_comes_from_secrets_manager(moto: str) -> None:
    client = boto3.client("secretsmanager")
    client.create_secret(Name="crime/mask", SecretBinary=bytes(range(32)))
    client.create_secret(Name="short", SecretBinary=b"short")
    assert secret_key(client, "crime/mask") == secret_key(client, "crime/mask")
    with pytest.raises(LakeError, match="32 random bytes") as refused:
        secret_key(client, "short")
    assert "b'short'" not in str(refused.value)


def test_the_graph_writes_them_on_aws(aws: Seaweed, firehose: DeliveryStream, moto: str, tmp_path: Path) -> None:
    boto3.client("secretsmanager").create_secret(Name="mask", SecretBinary=bytes(range(32)))
    path = tmp_path / "policy.toml"
    path.write_text(TEXT)
    path.chmod(0o600)
    chosen = {"CRIME_FEED": "sample", "CRIME_SAMPLE_ROWS": "500", "CRIME_POLICY": str(path)}
    variables = aws_variables(aws, firehose, tmp_path / "machine", DAY) | chosen
    profile = aws_profile({**variables, "CRIME_MASK_KEY": "mask"}, "2024-02-01T12:00:00")
    graph = Graph(profile)
    graph.load()
    graph.run(DAY, only=["raw_crime_batches", "crime_deliveries", "crimes", "governed_crimes"])
    assert len(held(profile.lake, "analyst")) == len(graph.rows())
    assert held(profile.lake, "analyst")["case_number"].dropna().str.match("K[0-9a-f]{6}-[0-9a-f]{16}$").all()
    before = snapshots(profile.lake)
    graph.run(DAY, only=["governed_crimes"])
    assert snapshots(profile.lake) == before
    assert set(before) == set(graph.materialized("governed_crimes")[DAY]["tables"].value)
    dropped = tables.load(profile.lake, PLACE, "crimes_commander")
    assert dropped is not None
    assert list(stored_files(dropped))
    path.write_text(TEXT.replace('mask = { place = "cell" }', ""))
    graph.run(DAY, only=["governed_crimes"])
    assert list(stored_files(dropped)) == []
    without = aws_profile(variables, "2024-02-01T12:00:00")
    with pytest.raises(UsageError, match="CRIME_MASK_KEY"):
        without.mask_key()
