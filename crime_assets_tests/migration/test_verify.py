"""Verification: every planted difference is found and named, none is invented, and repairing makes them equal."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import SourceForgot, StoreError
from crime_assets.migration import Difference, Items, Quarantined, Road, Verdict, comparing, verify
from crime_assets.migration import load as loading
from crime_assets.migration.columns import Column, Kind
from crime_assets.migration.follow import catch_up
from crime_assets.migration.kinds import KINDS
from crime_assets.migration.load import load
from crime_assets.migration.mappings import ALL, CODE, CRIME
from crime_assets.migration.progress import Progress, State
from crime_assets.migration.rendering import Renderer
from crime_assets_tests.migration.roads import NOW, crimes, put_crime, quiet, road_of
from crime_assets_tests.migration.test_load import Ended, ended_at
from crime_assets_tests.migration.tiny import TinyDatabase
from crime_assets_tests.migration.tiny_store import TinyStore

CRIMES = 300
OF_EACH = 20


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyDatabase, TinyStore]:
    """Loaded once; a test takes copies."""
    database, store = crimes(CRIMES), TinyStore()
    load(road_of(tmp_path_factory.mktemp("loaded"), database, store, ALL), quiet)
    return database, store


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (loading, comparing, verify):
        monkeypatch.setattr(module, "ROOTS", 120)


@pytest.fixture
def database(loaded: tuple[TinyDatabase, TinyStore]) -> TinyDatabase:
    database = TinyDatabase(ALL)
    database.__dict__.update({name: value for name, value in vars(loaded[0]).items() if name != "_lock"})
    database._log, database.columns = dict(loaded[0]._log), dict(loaded[0].columns)
    return database


@pytest.fixture
def store(loaded: tuple[TinyDatabase, TinyStore]) -> TinyStore:
    store = TinyStore()
    store.items, store.known = dict(loaded[1].items), loaded[1].known
    return store


@pytest.fixture
def road(tmp_path: Path, database: TinyDatabase, store: TinyStore) -> Road:
    return road_of(tmp_path, database, store, ALL)


def verified(road: Road, repair: bool = False, stage: Callable[[str], None] = lambda _: None) -> Verdict:
    return verify.verify(road, repair, quiet, stage)


def edit(store: TinyStore, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    item = json.loads(store.items[name, "-"])
    change(item)
    store.items[name, "-"] = json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def test_equal_documents_are_verified(road: Road, database: TinyDatabase, store: TinyStore) -> None:
    verdict = verified(road)
    tables = database.dump()
    assert verdict.verified
    assert (verdict.differences, verdict.named, verdict.repaired) == (0, (), 0)
    assert verdict.verified.position == database.position
    assert (verdict.verified.items, verdict.verified.roots) == (CRIMES + 1, CRIMES + 1)
    assert verdict.verified.rows == sum(map(len, tables.values()))
    assert verdict.verified.at == NOW
    assert store.known
    assert store.known.verified == verdict.verified
    assert not (road.home / "differences.ndjson").exists()


def test_the_seal_is_that_of_what_the_store_holds(road: Road, store: TinyStore) -> None:
    found = verified(road).verified
    assert found
    renderer, seal = Renderer(CODE), 0
    for items in store.scan():
        seal ^= renderer.seal(items)
    assert seal == found.seal


def _lost(store: TinyStore, name: str) -> None:
    del store.items[name, "-"]


def _set(attribute: str, value: Any) -> Callable[[TinyStore, str], None]:
    def change(item: dict[str, Any]) -> None:
        assert item[attribute] != value
        item[attribute] = value

    return lambda store, name: edit(store, name, change)


def _flag(store: TinyStore, name: str) -> None:
    edit(store, name, lambda item: item.update(arrest={"BOOL": not item["arrest"]["BOOL"]}))


def _decimal(store: TinyStore, name: str) -> None:
    def change(item: dict[str, Any]) -> None:
        text = item["latitude"]["N"].ljust(12, "0")
        item["latitude"]["N"] = text[:-1] + ("1" if text[-1] != "1" else "2")

    edit(store, name, change)


def _child(store: TinyStore, name: str) -> None:
    edit(store, name, lambda item: item["roles"]["L"][1]["M"].update(age={"N": "42"}))


def _child_lost(store: TinyStore, name: str) -> None:
    edit(store, name, lambda item: item["roles"]["L"].pop(0))


def _turned(store: TinyStore, name: str) -> None:
    edit(store, name, lambda item: item["roles"]["L"].reverse())


def _swapped(store: TinyStore, name: str) -> None:
    """With the next one: all but what says whose it is."""
    other = f"crime#{int(name.partition('#')[2]) + 150}"
    mine, its = json.loads(store.items[name, "-"]), json.loads(store.items[other, "-"])
    for attribute in ("block", "case_number"):
        mine[attribute], its[attribute] = its[attribute], mine[attribute]
    store.items[name, "-"], store.items[other, "-"] = json.dumps(mine), json.dumps(its)


def _odd(store: TinyStore, name: str) -> None:
    edit(store, name, lambda item: item.update(_odd={"M": {"ward": {"S": "7"}}}))


def _added(store: TinyStore, name: str) -> None:
    edit(store, name, lambda item: item.update(more={"S": "x"}))


# What is done to a document, and what must be said of it: table, column, kind, its value in the document.
PLANTED: dict[str, tuple[Callable[[TinyStore, str], None], tuple[str, str, str, str | None]]] = {
    "lost": (_lost, ("crimes", "", "missing", None)),
    "flag": (_flag, ("crimes", "arrest", "differs", "Y or N")),
    "trailing blank": (_set("primary_type", {"S": "THEFT "}), ("crimes", "primary_type", "differs", "THEFT ")),
    "ninth decimal": (_decimal, ("crimes", "latitude", "differs", "a number")),
    "null": (
        lambda store, name: edit(store, name, lambda item: item.pop("block")),
        ("crimes", "block", "differs", None),
    ),
    "padding": (_set("iucr", {"S": "0110 "}), ("crimes", "iucr", "differs", '{"S":"0110 "}')),
    "stamp": (
        _set("updated_on", {"S": "2018-12-01T15:40:55"}),
        ("crimes", "updated_on", "differs", "2018-12-01 15:40:55"),
    ),
    "child": (_child, ("crime_roles", "age", "differs", "42")),
    "child lost": (_child_lost, ("crime_roles", "", "missing", None)),
    "children in another order": (_turned, ("crime_roles", "", "order", None)),
    "type": (_set("ward", {"S": "7"}), ("crimes", "ward", "differs", '{"S":"7"}')),
    "added": (_added, ("crimes", "more", "added", '{"S":"x"}')),
    "odd": (_odd, ("crimes", "ward", "differs", None)),
    "derived": (_set("district_day", {"S": "x"}), ("crimes", "district_day", "differs", '{"S":"x"}')),
    "written otherwise": (
        lambda store, name: store.items.update({(name, "-"): store.items[name, "-"].replace(":{", ": {", 1)}),
        ("crimes", "", "order", None),
    ),
    "no json": (lambda store, name: store.items.update({(name, "-"): "{"}), ("crimes", "id", "differs", None)),
}


@pytest.mark.parametrize("kind", [*PLANTED])
def test_each_planted_difference_is_named(road: Road, store: TinyStore, kind: str) -> None:
    plant, expected = PLANTED[kind]
    plant(store, "crime#7")
    verdict = verified(road)
    assert verdict.verified is None
    assert {one.id for one in verdict.named} == {"crime#7"}
    found = [(one.table, one.column, one.kind) for one in verdict.named]
    assert expected[:3] in found
    if kind not in ("no json", "odd", "type"):
        assert found == [expected[:3]]
    one = verdict.named[found.index(expected[:3])]
    if expected[3] not in ("Y or N", "a number") and kind not in ("odd",):
        assert one.document == expected[3]
    assert one.document is None or one.document != one.source


def test_twenty_of_ten_kinds_are_found_and_none_is_invented_while_changes_go_on(
    road: Road, database: TinyDatabase, store: TinyStore
) -> None:
    draw = random.Random(20)
    ten = ["lost", "flag", "trailing blank", "ninth decimal", "null", "padding", "stamp", "child", "added"]
    numbers = draw.sample(range(1, 150), 6 * OF_EACH)
    planted: dict[str, str] = {}
    for n, number in enumerate(numbers):
        kind = ten[n % len(ten)]
        PLANTED[kind][0](store, f"crime#{number}")
        planted[f"crime#{number}"] = kind
    strange = [f"crime#{9_000 + n}" for n in range(OF_EACH)]
    for name in strange:
        store.items[name, "-"] = store.items["crime#299", "-"]

    def changing(stage: str) -> None:
        # What is changed meanwhile is none of this verification's business.
        with database.commit() as work:
            work.delete("crimes", str(numbers[0]))
            put_crime(work, numbers[0], draw)
            put_crime(work, 1_000 + draw.randrange(1_000), draw)

    verdict = verified(road, stage=changing)
    assert {one.id for one in verdict.named} == {*planted, *strange}
    for one in verdict.named:
        if one.id in planted:
            table, column, kind, _ = PLANTED[planted[one.id]][1]
            assert (one.table, one.column, one.kind) == (table, column, kind)
        else:
            assert (one.kind, one.source) == ("extra", None)
    assert verdict.differences == len(planted) + len(strange)
    told = [json.loads(line) for line in (road.home / "differences.ndjson").read_text().splitlines()]
    assert [Difference(**line) for line in told] == [*verdict.named]
    assert (road.home / "differences.ndjson").stat().st_mode & 0o777 == 0o600

    assert verified(road, repair=True, stage=changing).verified
    catch_up(road)
    assert verified(road).verified


def test_swapped_values_are_told_on_both_sides(road: Road, store: TinyStore) -> None:
    _swapped(store, "crime#7")
    found = {(one.id, one.column): (one.source, one.document) for one in verified(road).named}
    assert found["crime#7", "block"] == tuple(reversed(found["crime#157", "block"]))
    assert {*found} == {(name, column) for name in ("crime#7", "crime#157") for column in ("block", "case_number")}


def test_for_one_that_is_too_many_not_all_roots_are_read_again(
    road: Road, database: TinyDatabase, store: TinyStore
) -> None:
    store.items["crime#9000", "-"] = store.items["crime#299", "-"]
    _lost(store, "crime#7")
    before = database.roots_read
    assert {(one.id, one.kind) for one in verified(road).named} == {("crime#9000", "extra"), ("crime#7", "missing")}
    # Each once, those of the strange one's group, and the two to name them.
    assert database.roots_read - before < CRIMES + 10


@pytest.mark.parametrize("repair", [False, True])
def test_what_no_root_could_be_is_extra(road: Road, store: TinyStore, repair: bool) -> None:
    before = dict(store.items)
    for name in ("crime#1#2", "crime#00%", "code#only"):
        store.items[name, "-"] = "{}"
    verdict = verified(road, repair)
    assert {(one.id, one.kind) for one in verdict.named} == {
        ("crime#1#2", "extra"),
        ("crime#00%", "extra"),
        ("code#only", "extra"),
    }
    assert (verdict.verified is not None, verdict.repaired) == (repair, 3 * repair)
    assert (store.items == before) is repair


@pytest.mark.parametrize("name", ["crime#999999", "crime#7", "crime#8", "dog#1", "nobody", "crime"])
def test_what_would_be_exported_and_is_of_no_document_is_found(road: Road, store: TinyStore, name: str) -> None:
    if name == "crime#8":
        del store.items[name, "-"]
    store.items[name, "notes#000001"] = json.dumps({"id": {"S": name}, "part": {"S": "notes#000001"}})
    kind = {"crime#7": "order", "crime#8": "missing"}.get(name, "extra")
    found = verified(road)
    assert (found.verified, found.by_kind) == (None, {kind: 1})
    assert [(one.id, one.kind) for one in found.named] == [(name, kind)]
    assert verified(road, repair=True).repaired == 1
    assert [part for one, part in store.items if one == name] == (["-"] if kind != "extra" else [])
    assert verified(road).verified


def test_what_a_store_cannot_remove_is_told(road: Road, store: TinyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.items["dog#1", "-"] = "{}"
    removed = store.replace

    def kept(ids: Sequence[str], items: Items, progress: Progress | None) -> None:
        removed([name for name in ids if name != "dog#1"], items, progress)

    monkeypatch.setattr(store, "replace", kept)
    with pytest.raises(StoreError, match="has 1 documents too many, which could not be removed"):
        verified(road, repair=True)
    assert store.progress().verified is None


def test_a_document_with_the_key_of_another(road: Road, store: TinyStore) -> None:
    edit(store, "crime#7", lambda item: item.update(crime_id={"N": "8"}))
    found = verified(road).named
    assert [(one.id, one.column, one.source, one.document) for one in found] == [("crime#7", "id", "7", '{"N":"8"}')]


def test_repaired_from_the_same_snapshot(road: Road, database: TinyDatabase, store: TinyStore) -> None:
    before = dict(store.items)
    for kind, (plant, _) in PLANTED.items():
        plant(store, f"crime#{10 + [*PLANTED].index(kind)}")

    def changing(stage: str) -> None:
        with database.commit() as work:
            work.put("crimes", id="11", block="changed meanwhile")

    verdict = verified(road, repair=True, stage=changing)
    assert verdict.verified
    assert verdict.repaired == len(PLANTED)
    # As it was at that position, not as it is now.
    assert {name: json.loads(item) for name, item in store.items.items() if name[0] != "crime#11"} == {
        name: json.loads(item) for name, item in before.items() if name[0] != "crime#11"
    }
    catch_up(road)
    assert verified(road).verified


def test_a_rule_whose_inverse_is_wrong_is_seen(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(column: Column, value: str) -> str:
        return f"CASE {value} WHEN 'true' THEN 'N' WHEN 'false' THEN 'N' END"

    monkeypatch.setitem(KINDS, Kind.FLAG, replace(KINDS[Kind.FLAG], source=wrong))
    verdict = verified(road, repair=True)
    assert verdict.verified is None
    assert {*verdict.by_kind} == {"unmappable"}
    assert {(one.column, one.source, one.document) for one in verdict.named} == {("arrest", "Y", "N")}
    assert verdict.repaired == 0


@pytest.mark.parametrize("reason_to_begin", ["forgotten", "nobody noticed", "finished", "altered", "another mapping"])
def test_repair_leads_on_whatever_was_lost(
    road: Road, database: TinyDatabase, store: TinyStore, reason_to_begin: str
) -> None:
    draw = random.Random(5)
    with database.commit() as work:
        put_crime(work, 5, draw)
        put_crime(work, 5_000, draw)
        work.delete("crimes", "6")
    assert store.known
    match reason_to_begin:
        case "forgotten":
            database.lose()
            with pytest.raises(SourceForgot):
                catch_up(road)
        case "nobody noticed":
            database.lose()
        case "finished":
            database.finish()
            store.known = replace(store.known, state=State.FINISHED)
        case "altered":
            database.columns["crimes.block"] = "character varying(99)"
        case "another mapping":
            more = replace(CRIME, derived=(*CRIME.derived, ("upper", "upper(block)")))
            road = replace(road, mappings=[more, CODE])
    with pytest.raises((SourceForgot, StoreError), match=r"repair|begin anew"):
        verified(road)
    # Also ended in between it is not taken for what it is not.
    with pytest.raises(Ended):
        verified(road, True, ended_at("repaired"))
    assert store.known.state is State.FORGOTTEN
    with pytest.raises(SourceForgot, match="repair"):
        load(road, quiet)
    assert verified(road, repair=True).verified
    assert store.known.state is State.FOLLOWING
    assert catch_up(road) == 0
    assert verified(road).verified


@pytest.mark.parametrize("stage", ["beginning anew", "kept from here", "begun", "at a position", "chunk compared"])
def test_ended_before_anything_is_repaired(road: Road, database: TinyDatabase, store: TinyStore, stage: str) -> None:
    database.lose()
    PLANTED["flag"][0](store, "crime#9")
    with pytest.raises(Ended):
        verified(road, True, ended_at(stage))
    assert store.known
    assert store.known.verified is None
    assert verified(road, repair=True).verified


def test_what_is_set_aside_is_a_difference_until_it_fits(road: Road, database: TinyDatabase, store: TinyStore) -> None:
    store.set_aside([Quarantined("crime#9", "DynamoDB refused it", "{}"), Quarantined("crime#7000", "gone", "{}")])
    del store.items["crime#9", "-"]
    found = {(one.id, one.kind, one.source, one.document) for one in verified(road).named}
    assert found == {("crime#9", "missing", "DynamoDB refused it", None), ("crime#7000", "extra", None, "gone")}
    assert verified(road, repair=True).verified
    assert store.aside() == []
    with database.commit() as work:
        work.put("offense_codes", code_set="IUCR", code="x" * 2_100, title=" " * 60)
    for repair in (False, True):
        verdict = verified(road, repair)
        assert verdict.verified is None
        assert [one.kind for one in verdict.named] == ["missing"]
        assert verdict.repaired == 0


def test_a_long_document_is_compared_with_its_parts_and_texts(
    road: Road, database: TinyDatabase, store: TinyStore
) -> None:
    with database.commit() as work:
        for number in range(3_000):
            work.put("crime_notes", crime_id="9", number=str(10_000 + number), comment="é" * 100)
        work.put("crime_notes", crime_id="8", number="9000", comment="y" * 500_000)
    catch_up(road)
    assert verified(road).verified
    parts = sorted(part for name, part in store.items if name == "crime#9")
    assert len(parts) > 2
    del store.items["crime#9", "notes#000001"]
    edit(store, "crime#8", lambda item: item["notes"]["L"][0]["M"].pop("comment"))
    found = verified(road).named
    assert {(one.id, one.table, one.kind) for one in found} == {
        ("crime#9", "crime_notes", "missing"),
        ("crime#8", "crime_notes", "differs"),
    }
    assert verified(road, repair=True).verified


def test_a_store_that_does_not_hold_what_it_is_given_is_told(
    road: Road, store: TinyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    PLANTED["flag"][0](store, "crime#9")
    monkeypatch.setattr(store, "replace", lambda ids, items, progress: None)
    with pytest.raises(StoreError, match="crime#9"):
        verified(road, repair=True)


def test_not_before_the_load_has_ended(tmp_path: Path, database: TinyDatabase) -> None:
    road = road_of(tmp_path, database, TinyStore(), ALL)
    for repair in (False, True):
        with pytest.raises(StoreError, match="legacy load"):
            verified(road, repair)


def test_a_later_change_of_a_verified_document_is_in_no_seal(road: Road, store: TinyStore) -> None:
    first = verified(road).verified
    assert first
    PLANTED["flag"][0](store, "crime#9")
    renderer, seal = Renderer(CODE), 0
    for items in store.scan():
        seal ^= renderer.seal(items)
    assert seal != first.seal
