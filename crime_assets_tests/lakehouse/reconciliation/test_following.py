"""Cities without change stamps: what differs between publications is a change, and nothing else is."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError, Untypable
from crime_assets.lakehouse.reconciliation import following
from crime_assets.lakehouse.reconciliation.difference import difference
from crime_assets.lakehouse.reconciliation.limits import Limits
from crime_assets.lakehouse.records import typing
from crime_assets.profiles import Profile
from crime_assets.sources.feeds import PublishedFeed
from crime_assets.sources.feeds.sample import shares
from crime_assets.sources.feeds.sample.publications import SamplePublications
from crime_assets_tests.lakehouse.lakes import properties
from crime_assets_tests.lakehouse.reconciliation.followed import Followed

FIRST = date(2026, 10, 20)
ONE_DAY = timedelta(days=1)
HISTORIC, CURRENT = "qgea.csv", "5uac.csv"


def complaint(number: int | str, **other: str) -> dict[str, str]:
    record = {
        "cmplnt_num": f"{number}H1",
        "cmplnt_fr_dt": "01/05/2026",
        "cmplnt_fr_tm": "17:30:00",
        "rpt_dt": "01/06/2026",
        "addr_pct_cd": "7",
        "ky_cd": "109",
        "pd_cd": "438",
        "ofns_desc": "GRAND LARCENY",
        "boro_nm": "QUEENS",
        "x_coord_cd": "1,035,836",
        "latitude": "40.7",
    }
    return {**record, **other}


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    """New York with ten complaints, loaded as history and run once."""
    followed = Followed(tmp_path, "new_york", FIRST)
    followed.publish({HISTORIC: [complaint(number) for number in range(10)]})
    followed.run()
    followed.today += ONE_DAY
    return followed


def test_what_differs_is_changed_on_the_day_before_it_is_seen(followed: Followed) -> None:
    changed = complaint(3, boro_nm="BRONX")
    held = [complaint(number) for number in range(10) if number not in (3, 7)]
    followed.publish({HISTORIC: [*held, changed, complaint(100)]})

    followed.run()

    crimes = followed.crimes("change_day", "neighborhood")
    before = FIRST - 2 * ONE_DAY
    assert crimes.pop("3H1") == (FIRST, "BRONX")
    assert crimes.pop("100H1") == (FIRST, "QUEENS")
    assert crimes == {f"{number}H1": (before, "QUEENS") for number in range(10) if number not in (3, 7)}
    assert followed.removed() == {"7H1": FIRST}


def test_what_is_gone_leaves_with_the_months_that_change(followed: Followed) -> None:
    before = followed.snapshots()
    held = [complaint(number) for number in range(10) if number not in (3, 7)]
    followed.publish({HISTORIC: [*held, complaint(3, boro_nm="BRONX")]})

    result = followed.run()

    assert followed.snapshots() == before + 1
    assert (result.rows, result.replaced, result.removed) == (9, 1, 1)
    assert followed.removed() == {"7H1": FIRST}
    assert properties(followed.profile.lake, city="new_york")["first-changed-day"] == FIRST.isoformat()


def test_what_is_gone_leaves_months_that_do_not_change_too(followed: Followed) -> None:
    held = [complaint(number) for number in range(10) if number != 7]
    followed.publish({HISTORIC: [*held, complaint(11, cmplnt_fr_dt="03/05/2026", rpt_dt="03/05/2026")]})

    assert followed.run().removed == 0

    assert set(followed.crimes("id")) == {f"{number}H1" for number in (*range(7), 8, 9, 11)}
    assert followed.removed() == {"7H1": FIRST}


def test_an_unchanged_publication_is_not_read_and_makes_no_snapshot(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = followed.snapshots()
    monkeypatch.setattr(following, "difference", None)

    followed.run()

    assert followed.snapshots() == before


def test_the_same_content_in_other_words_makes_no_snapshot(followed: Followed) -> None:
    """The roll of the year: complaints go from one dataset to the other, which writes them in another way."""
    before, crimes = followed.snapshots(), followed.crimes("record_md5")
    there = [complaint(n, x_coord_cd="1035836", cmplnt_fr_dt="2026-01-05T00:00:00.000") for n in range(5, 10)]
    followed.publish({HISTORIC: [complaint(number) for number in range(5)], CURRENT: there})
    followed.run()
    followed.today += ONE_DAY
    # And back, with some in both.
    followed.publish({HISTORIC: [complaint(number) for number in range(8)], CURRENT: there})
    followed.run()

    assert followed.snapshots() == before
    assert followed.crimes("record_md5") == crimes


def test_other_words_are_noted_only_as_long_as_the_row_is_what_it_was(followed: Followed) -> None:
    rest = [complaint(number) for number in range(1, 10)]
    other_words = complaint(0, x_coord_cd="1035836")
    for first in (other_words, complaint(0, boro_nm="BRONX"), other_words, complaint(0, boro_nm="BRONX")):
        followed.publish({HISTORIC: [first, *rest]})
        followed.run()
        assert followed.crimes("neighborhood")["0H1"] == (first["boro_nm"],)
        followed.today += ONE_DAY


def test_other_words_are_typed_once(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [complaint(number, x_coord_cd="1035836") for number in range(10)]
    followed.publish({HISTORIC: others})
    followed.run()
    followed.today += ONE_DAY
    followed.publish({HISTORIC: others[::-1]})
    monkeypatch.setattr(typing, "raw_from_history", None)
    before = followed.snapshots()

    followed.run()

    assert followed.snapshots() == before


def test_notes_that_are_damaged_are_made_again(followed: Followed) -> None:
    others = [complaint(number, x_coord_cd="1035836") for number in range(10)]
    followed.publish({HISTORIC: others})
    followed.run()
    before = followed.snapshots()
    for note in ("same-new_york.parquet", "taken-new_york.json"):
        (followed.profile.lake.staging / note).write_bytes(b"PAR1 cut off")
    followed.run()
    assert followed.snapshots() == before


def test_a_record_can_go_back_to_what_it_was(followed: Followed) -> None:
    rest = [complaint(number) for number in range(1, 10)]
    for boro in ("BRONX", "QUEENS", "BRONX"):
        followed.publish({HISTORIC: [complaint(0, boro_nm=boro), *rest]})
        followed.run()
        assert followed.crimes("neighborhood")["0H1"] == (boro,)
        # The file is replaced on the same day, too.
        followed.publish({HISTORIC: [complaint(0, boro_nm="KINGS"), *rest]})
        followed.run()
        assert followed.crimes("neighborhood")["0H1"] == ("KINGS",)


def test_what_is_gone_can_come_back(followed: Followed) -> None:
    whole = [complaint(number) for number in range(10)]
    for present in (whole[1:], whole, whole[1:], whole):
        followed.publish({HISTORIC: present})
        followed.run()
        assert ("0H1" in followed.crimes("id")) is (len(present) == 10)
        followed.run()
        assert len(followed.crimes("id")) == len(present)
        followed.today += ONE_DAY


def test_days_before_the_publication_are_empty(followed: Followed) -> None:
    followed.today += 3 * ONE_DAY
    followed.publish({HISTORIC: [complaint(number) for number in range(11)]})
    for ago in (3, 2):
        followed.run(followed.today - ago * ONE_DAY)
        assert "10H1" not in followed.crimes("id")

    followed.run()

    assert followed.crimes("change_day")["10H1"] == (followed.today - ONE_DAY,)


def test_of_a_number_that_is_published_twice_the_first_report_counts(followed: Followed) -> None:
    rest = [complaint(number) for number in range(1, 10)]
    twice = [complaint(0, rpt_dt="01/09/2026", boro_nm="LATE"), complaint(0, rpt_dt="01/02/2026", boro_nm="EARLY")]
    for order in (twice, twice[::-1]):
        followed.publish({HISTORIC: [*rest, *order]})
        followed.run()
        assert followed.crimes("neighborhood")["0H1"] == ("EARLY",)
        assert len(followed.crimes("id")) == 10
    before = followed.snapshots()
    followed.publish({HISTORIC: [*twice, *rest]})
    followed.run()
    assert followed.snapshots() == before


def test_a_number_published_twice_in_other_words_changes_nothing(followed: Followed) -> None:
    twice = [complaint(0, rpt_dt="01/09/2026", boro_nm="LATE"), complaint(0, rpt_dt="01/02/2026", boro_nm="EARLY")]
    rest = [complaint(number) for number in range(1, 10)]
    followed.publish({HISTORIC: [*twice, *rest]})
    followed.run()
    before = followed.snapshots()
    for order in (1, -1, 1):
        followed.today += ONE_DAY
        others = [{**record, "x_coord_cd": "1035836"} for record in twice]
        followed.publish({HISTORIC: [*others[::order], *rest]})
        followed.run()
        assert followed.crimes("neighborhood")["0H1"] == ("EARLY",)
    assert followed.snapshots() == before


def test_history_and_days_agree_on_numbers_published_twice(tmp_path: Path) -> None:
    followed = Followed(tmp_path, "new_york", FIRST)
    twice = [complaint(0, rpt_dt="01/09/2026", boro_nm="LATE"), complaint(0, rpt_dt="01/02/2026", boro_nm="EARLY")]
    followed.publish({HISTORIC: [complaint(1), *twice]})
    followed.run()
    assert followed.crimes("neighborhood") == {"0H1": ("EARLY",), "1H1": ("QUEENS",)}
    before = followed.snapshots()
    followed.publish({HISTORIC: [*twice, complaint(1)]})
    followed.run()
    assert followed.snapshots() == before


def test_a_publication_that_lacks_too_much_changes_nothing(followed: Followed) -> None:
    followed.publish({HISTORIC: [complaint(number, boro_nm="BRONX") for number in range(5)]})

    with pytest.raises(FeedError, match=r"lacks 5 or more of the 10 rows.*--most-removed 5`"):
        followed.run()

    assert {boro for (boro,) in followed.crimes("neighborhood").values()} == {"QUEENS"}
    profile = followed.profile
    feed = profile.feed
    assert isinstance(feed, PublishedFeed)
    found = difference(profile.lake, profile.city, feed.publication(), Limits(most_removed=5))
    assert (len(found.missing), len(found.gone)) == (5, 5)


def test_a_publication_in_another_format_changes_nothing(followed: Followed) -> None:
    followed.publish({HISTORIC: [complaint(number, latitude="north") for number in range(10)]})

    with pytest.raises(Untypable, match="Of the 10 records of New York's publication 10 cannot be typed: latitude is"):
        followed.run()

    assert len(followed.crimes("id")) == 10


def test_a_record_that_cannot_be_read_is_not_gone(followed: Followed) -> None:
    followed.publish({HISTORIC: [complaint(number) for number in range(9)]})
    with (followed.files / HISTORIC).open("a") as file:
        file.write("9H1,cut off\n")
    followed.run()
    assert "9H1" in followed.crimes("id")
    # One whose values cannot be typed goes to quarantine, once; its crime stays as it was.
    followed.publish({HISTORIC: [*(complaint(number) for number in range(9)), complaint(9, latitude="north")]})
    assert [followed.run().quarantined for _ in range(2)] == [1, 0]
    assert "9H1" in followed.crimes("id")


@pytest.mark.parametrize("seed", range(2))
def test_any_publications_leave_what_was_published_last(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    followed = Followed(tmp_path, "new_york", FIRST)
    known = {str(n): complaint(n, boro_nm=chance.choice("ABC")) for n in range(400)}
    split = 300
    for _ in range(6):
        for number in chance.sample(sorted(known), 20):
            known[number] = complaint(number, boro_nm=chance.choice("ABC"))
        for number in chance.sample(sorted(known), chance.choice([0, 0, 15])):
            del known[number]
        for number in chance.sample(range(600), 12):
            known[str(number)] = complaint(number, boro_nm=chance.choice("ABC"))
        split = min(split + chance.choice([0, 50]), len(known) - 1)
        records = chance.sample(list(known.values()), len(known))
        followed.publish({HISTORIC: records[:split], CURRENT: records[split:]})
        for _ in range(chance.choice([0, 1, 1, 2])):
            followed.run()
        followed.today += ONE_DAY
    followed.run()

    published = {f"{number}H1": (record["boro_nm"],) for number, record in known.items()}
    assert followed.crimes("neighborhood") == published
    before = followed.snapshots()
    followed.run()
    assert followed.snapshots() == before


def test_san_franciscos_load_stamps_are_no_changes_and_its_datasets_do_not_overlap(tmp_path: Path) -> None:
    followed = Followed(tmp_path, "san_francisco", FIRST)
    old = {"incidntnum": "1", "category": "ASSAULT", "time": "23:50", "resolution": "NONE", "x": "-122.4", "y": "37.7"}
    before_2018 = [
        {**old, "pdid": "104014", "date": "12/31/2017"},
        {**old, "pdid": "204014", "date": "01/01/2018"},
        {**old, "pdid": "304014", "date": "05/14/2018"},
    ]
    since = {
        "row_id": "74339603074",
        "incident_number": "180906213",
        "incident_datetime": "2018/01/01 12:25:00 AM",
        "incident_code": "03074",
        "report_type_description": "Initial",
    }
    for loaded in ("2026/10/19 10:00:00 AM", "2026/10/20 10:00:00 AM"):
        stamps = {"data_as_of": loaded, "data_loaded_at": loaded}
        followed.publish({"old.csv": before_2018, "new.csv": [{**since, **stamps}]})
        followed.run()
        followed.today += ONE_DAY
    assert followed.crimes("change_day") == dict.fromkeys(("104014", "74339603074"), (FIRST - 2 * ONE_DAY,))
    assert followed.snapshots() == 1


def test_records_with_objects_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Portals publish points as objects; what a newer publication adds is taken, and then nothing is left to take."""
    monkeypatch.setattr(shares, "CRIMES_A_DAY", 20)

    def feed(profile: Profile) -> SamplePublications:
        return SamplePublications(profile.city, origin=date(2026, 1, 30), today=profile.today, rows=500)

    followed = Followed(tmp_path, "new_york", date(2026, 1, 31), feed)
    followed.run()
    before = followed.crimes()
    followed.today = date(2026, 2, 1)
    followed.run()
    publication = feed(followed.profile).publication()
    numbers = {number for table in publication.tables() for number in table["cmplnt_num"].to_pylist()}
    assert len(numbers) > len(before) + 1_000
    assert followed.crimes().keys() == numbers
    profile = followed.profile
    assert difference(profile.lake, profile.city, publication, Limits()).is_empty
