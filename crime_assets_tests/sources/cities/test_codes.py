"""The tables of offense codes: they add up, and the cities' real rows find their codes in them."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from crime_assets.sources.cities import codes
from crime_assets.sources.cities.codes import Code, Offense
from crime_assets_tests.build import CHICAGO

CITIES = ("chicago", "new_york", "los_angeles", "san_francisco")
VIOLENT = {"homicide", "rape", "robbery", "aggravated assault"}
PROPERTY = {"burglary", "theft", "vehicle theft", "arson"}
OTHER = {"simple assault", "fraud", "damage", "drugs", "weapons", "other"}
INITIAL = {"Initial", "Vehicle Initial", "Coplogic Initial"}

Row = dict[str, str]


def rows(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as lines:
        yield from csv.DictReader(lines)


def offense(code: Code) -> Offense:
    return codes.nibrs()[code.nibrs_code]


class TestNibrs:
    def test_the_words_give_the_class(self) -> None:
        for found in codes.nibrs().values():
            assert found.offense in VIOLENT | PROPERTY | OTHER
            expected = {**dict.fromkeys(VIOLENT, "violent"), **dict.fromkeys(PROPERTY, "property")}
            assert found.offense_class == expected.get(found.offense, "other"), found

    def test_each_has_its_own_place_in_the_hierarchy(self) -> None:
        offenses = list(codes.nibrs().values())
        assert [found.rank for found in offenses] == list(range(1, len(offenses) + 1))
        counted = [found.is_crime for found in offenses]
        assert counted == sorted(counted, reverse=True)
        classes = [found.offense_class for found in offenses if found.nibrs_code != "09B"]
        assert classes == sorted(classes, key=["violent", "property", "other"].index)

    def test_the_manual_s_groups_are_whole(self) -> None:
        groups = Counter(found.group for found in codes.nibrs().values())
        # 2023.0 has 69 offenses in A and ten in B; cities still publish 11B, 11C and four of B that were retired.
        assert groups["A"] == 69 + 2
        assert groups["B"] == 10 + 4

    def test_what_is_ours_is_no_crime(self) -> None:
        for found in codes.nibrs().values():
            assert (found.group == "-") == (found.nibrs_code[0] == "X" or found.nibrs_code == "999")
            assert found.group != "-" or not found.is_crime


class TestTables:
    @pytest.mark.parametrize("city", CITIES)
    def test_every_line_is_whole(self, city: str) -> None:
        table = codes.crosswalk(city)
        assert len(table) > 200
        for (scheme, code), found in table.items():
            assert (found.scheme, found.code) == (scheme, code)
            assert found.basis in ("exact", "approximate", "ours")
            assert found.text == " ".join(found.text.split()) != ""

    @pytest.mark.parametrize(
        ("city", "scheme", "form"),
        [
            ("chicago", "iucr", r"([0-9]{3}[0-9A-Z])?/[0-2][0-9][AB]?"),
            ("new_york", "ky_pd", r"[1-9][0-9]{2}/([1-9][0-9]{2}|[A-Z].*)?"),
            ("los_angeles", "crm_cd", r"[1-9][0-9]{2}"),
            ("los_angeles", "nibrs", r"[0-9]{2}[0-9A-Z]"),
            ("san_francisco", "incident_code", r"[0-9]{5}"),
        ],
    )
    def test_codes_are_written_as_the_city_writes_them(self, city: str, scheme: str, form: str) -> None:
        written = [code for system, code in codes.crosswalk(city) if system == scheme]
        assert written
        assert [code for code in written if not re.fullmatch(form, code)] == []

    def test_washington_s_nine_texts_are_index_crimes_and_need_no_parts(self) -> None:
        table = codes.crosswalk("washington")
        assert {scheme for scheme, _ in table} == {"offense"}
        assert Counter(offense(code).offense_class for code in table.values()) == {"violent": 4, "property": 5}
        assert {offense(code).offense for code in table.values()} == VIOLENT | PROPERTY
        assert all(code.code == code.text for code in table.values())
        # A slash in a text is no family.
        assert codes.find("washington", "offense", "THEFT/SHOPLIFTING") is None

    def test_a_city_s_own_nibrs_codes_are_what_they_say(self) -> None:
        native = [code for (scheme, _), code in codes.crosswalk("los_angeles").items() if scheme == "nibrs"]
        assert all(code.code == code.nibrs_code for code in native)
        assert {code.code for code in native} == {code for code in codes.nibrs() if code[0] != "X"}


class TestFind:
    def test_the_own_line_comes_first(self) -> None:
        found = codes.find("new_york", "ky_pd", "109/415")
        assert found is not None
        assert found.nibrs_code == "23A"

    def test_then_that_of_the_text(self) -> None:
        text = "LARCENY,GRAND BY OPEN BANK ACCT"
        by_text = codes.find("new_york", "ky_pd", "109/888", text)
        by_code = codes.find("new_york", "ky_pd", "109/415", text)
        assert by_text is not None
        assert by_code is not None
        assert (by_text.nibrs_code, by_code.nibrs_code) == ("26F", "23A")

    @pytest.mark.parametrize(
        ("city", "scheme", "code", "line"),
        [
            ("new_york", "ky_pd", "109/888", "109/"),
            ("new_york", "ky_pd", "101/", "101/"),
            ("chicago", "iucr", "ZZZZ/03", "/03"),
            ("chicago", "iucr", "/03", "/03"),
        ],
    )
    def test_else_that_of_a_part(self, city: str, scheme: str, code: str, line: str) -> None:
        found = codes.find(city, scheme, code)
        assert found is not None
        assert found.code == line

    @pytest.mark.parametrize(
        ("city", "scheme", "code"),
        [
            ("new_york", "ky_pd", "999/101"),
            ("new_york", "ky_pd", "/"),
            ("new_york", "ky_pd", ""),
            ("new_york", "iucr", "109/438"),
            ("san_francisco", "incident_code", "99999"),
        ],
    )
    def test_what_nobody_knows_is_not_guessed(self, city: str, scheme: str, code: str) -> None:
        assert codes.find(city, scheme, code) is None


class TestErrors:
    @pytest.fixture
    def table(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        codes.nibrs()
        monkeypatch.setattr(codes, "files", lambda _: tmp_path)
        return tmp_path / "nowhere.csv"

    @pytest.mark.parametrize(
        ("lines", "sentence"),
        [
            ("s,1,Theft,23Q,exact,", "nowhere.csv, line 2: there is no offense '23Q' in nibrs.csv."),
            ("s,1,Theft,23H,exact,\ns,1,Theft,23H,exact,", "nowhere.csv, line 3: s '1' is there twice."),
            ("s,1,Theft, petty,23H,exact,", "nowhere.csv, line 2: it has not 6 fields."),
            ("s,1,Theft", "nowhere.csv, line 2: it has not 6 fields."),
        ],
    )
    def test_a_line_that_does_not_add_up_is_named(self, table: Path, lines: str, sentence: str) -> None:
        table.write_text(f"scheme,code,text,nibrs_code,basis,note\n{lines}\n")
        with pytest.raises(codes.BadTable) as caught:
            codes.crosswalk("nowhere")
        assert str(caught.value) == sentence

    def test_so_is_a_city_without_a_table(self) -> None:
        with pytest.raises(codes.BadTable, match=r"no table of codes atlantis\.csv"):
            codes.crosswalk("atlantis")


class TestRealRows:
    def test_chicago_classes_are_those_of_its_fbi_codes(self, shared_data: Path) -> None:
        exports = shared_data / "chicago" / "*.csv.gz"
        asked = """SELECT lpad(IUCR, 4, '0'), "FBI Code", count(*) FROM read_csv(?, all_varchar = true) GROUP BY ALL"""
        pairs = duckdb.execute(asked, [str(exports)]).fetchall()
        assert sum(rows for _, _, rows in pairs) > 700_000
        table = codes.crosswalk("chicago")
        for iucr, fbi_code, _ in pairs:
            kind = CHICAGO.offense_classes.get(fbi_code)
            violent, against_property = kind == "violent", kind == "property"
            expected = "violent" if violent else "property" if against_property else "other"
            for code in (table["iucr", f"{iucr}/{fbi_code}"], table["iucr", f"/{fbi_code}"]):
                assert offense(code).offense_class == expected, code

    def test_chicago_knows_the_whole_list(self, shared_data: Path) -> None:
        with (shared_data / "reference" / "iucr_codes.csv").open(encoding="utf-8", newline="") as lines:
            listed = {row["iucr"] for row in csv.DictReader(lines)}
        assert listed <= {code.partition("/")[0] for _, code in codes.crosswalk("chicago")}

    def test_new_york(self, shared_data: Path) -> None:
        found = Counter(
            (row["KY_CD"], codes.find("new_york", "ky_pd", f"{row['KY_CD']}/{row['PD_CD']}"))
            for row in rows(shared_data / "other_cities" / "nyc_qgea-i56i_2010-01-01.csv.gz")
        )
        assert found.total() == 2444
        murders = {code.nibrs_code: rows for (ky, code), rows in found.items() if ky == "101" and code}
        assert murders == {"09A": 3}
        assert sum(rows for (_, code), rows in found.items() if code is None) == 0

    def test_los_angeles_classes_are_its_own_parts(self, shared_data: Path) -> None:
        for row in rows(shared_data / "other_cities" / "la_2nrs-mtv8_1k.csv.gz"):
            code = codes.crosswalk("los_angeles")["crm_cd", row["Crm Cd"]]
            assert (offense(code).offense_class != "other") == (row["Part 1-2"] == "1"), code

    def test_san_francisco_in_december_2018(self, shared_data: Path) -> None:
        reports = list(rows(shared_data / "other_cities" / "sf_wg3w-h783_2018-12.csv.gz"))
        initial = [row for row in reports if row["Report Type Description"] in INITIAL]
        table = codes.crosswalk("san_francisco")
        found = [(row["Incident Number"], offense(table["incident_code", row["Incident Code"]])) for row in initial]
        incidents: dict[str, Offense] = {}
        for number, one in found:
            if one.is_crime:
                incidents[number] = min(one, incidents.get(number, one), key=lambda offense: offense.rank)
        classes = Counter(one.offense_class for one in incidents.values())

        assert {row["Incident Code"] for row in reports} <= {code for _, code in table}
        assert (len(reports), len(initial)) == (11_884, 10_292)
        # The Crime Open Database, which was made by others, counts 6,734 incidents, 454 violent and 4,285 property.
        assert (len(incidents), classes["violent"], classes["property"]) == (6_667, 455, 4_284)
