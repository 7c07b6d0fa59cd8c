"""A city's boundaries: real ones, a portal that misbehaves, and documents that are not what they should be."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import CrimeAssetsError, FeedError, FeedUnavailable, SourceMoved, UsageError
from crime_assets.core.shapes import simplified
from crime_assets.sources.cities import Boundaries, City, get
from crime_assets.sources.feeds import boundaries, geojson
from crime_assets.sources.feeds.boundaries import (
    TOLERANCE,
    DirectoryBoundaries,
    Layer,
    PortalBoundaries,
    read_boundaries,
)
from crime_assets.sources.feeds.geojson import MOST_BYTES, MOST_FEATURES, Document
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.sources.feeds.map_server import GEOJSON, MapServer, collection, feature, square
from crime_assets_tests.sources.feeds.soda_server import (
    Behaviour,
    cut_body,
    cut_chunk,
    hang_up,
    normal,
    reply,
    silence,
    stall,
    tampered,
)

TOKEN = "s3cret-t0ken"
REAL = {"district": "districts", "beat": "beats", "community_area": "community_areas"}
A, B = square(-87.7, 41.8), square(-87.6, 41.9)
HOLE = square(-87.697, 41.803, 0.004)
SOUND = {
    "24zt-jpfn": collection(feature("1", [A])),
    "n9it-hstw": collection(feature("0111", [A], named="beat_num")),
    "igwz-8jzy": collection(feature("32", [A], named="area_numbe")),
}


def areas(content: bytes, layer: str = "district", city: City = CHICAGO) -> dict[str, list[Any]]:
    return {name: list(rings) for name, rings in Document(city, layer, "here", content).areas().items()}


def points(ring: list[list[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, ring))


@pytest.fixture(scope="module")
def directory(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portal's documents, under the names of their layers."""
    place = tmp_path_factory.mktemp("boundaries")
    for layer, name in REAL.items():
        shutil.copy(shared_data / f"reference/chicago_{name}.geojson.gz", place / f"{layer}.geojson.gz")
    return place


@pytest.fixture(scope="module")
def layers(directory: Path) -> dict[str, Layer]:
    """What is made of them."""
    return read_boundaries(CHICAGO, DirectoryBoundaries(directory))


class TestRealBoundaries:
    def test_all_areas_are_there_under_the_names_that_crimes_have(self, layers: dict[str, Layer]) -> None:
        districts, beats, community_areas = (set(layers[layer].areas) for layer in REAL)
        assert districts == {f"{n:03}" for n in (*range(1, 26), 31)} - {"013", "021", "023"}
        assert len(beats) == 275
        assert {f"0{beat[:2]}" for beat in beats} == districts
        assert community_areas == {str(n) for n in range(1, 78)}

    def test_district_31_is_one_area_of_three_parts(self, layers: dict[str, Layer]) -> None:
        assert len(layers["district"].areas["031"]) == len(layers["beat"].areas["3100"]) == 3

    def test_a_map_needs_few_of_their_points(self, layers: dict[str, Layer]) -> None:
        before = {name: layer.points_before for name, layer in layers.items()}
        assert before == {"district": 27_564, "beat": 72_667, "community_area": 52_641}
        assert all(layer.points < before[name] / 15 for name, layer in layers.items())
        assert len(json.dumps(layers["beat"].areas, separators=(",", ":"))) < 100_000

    def test_the_areas_are_as_large_as_they_were(self, layers: dict[str, Layer], directory: Path) -> None:
        source = DirectoryBoundaries(directory)
        for name, layer in layers.items():
            whole = Document(CHICAGO, name, "here", source.read(name)).areas()
            for area, rings in layer.areas.items():
                size = sum(map(signed_size, whole[area]))
                assert sum(map(signed_size, rings)) == pytest.approx(size, rel=0.03), (name, area)

    def test_the_order_of_the_features_does_not_matter(self, layers: dict[str, Layer], directory: Path) -> None:
        document = json.loads(gzip.decompress((directory / "district.geojson.gz").read_bytes()))
        document["features"].sort(key=lambda one: one["properties"][":id"])
        small = simplified(areas(json.dumps(document).encode()), TOLERANCE)
        assert list(small) == list(layers["district"].areas)
        assert all(sorted(rings) == sorted(small[name]) for name, rings in layers["district"].areas.items())


def signed_size(ring: Any) -> float:
    """Square degrees; holes run the other way and are negative."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)) / 2


class TestAreas:
    def test_features_of_one_area_are_one_area(self) -> None:
        content = collection(feature("31", [A]), feature("2", [A]), feature("31", [B]))
        assert areas(content) == {"002": [points(A)], "031": [points(A), points(B)]}

    def test_a_ring_that_comes_twice_counts_once(self) -> None:
        assert areas(collection(feature("31", [A]), feature("31", [A]))) == {"031": [points(A)]}

    def test_a_polygon_has_its_hole(self) -> None:
        polygon = {**feature("1"), "geometry": {"type": "Polygon", "coordinates": [A, HOLE]}}
        many = feature("2", [A, HOLE], [B])
        assert areas(collection(polygon, many)) == {
            "001": [points(A), points(HOLE)],
            "002": [points(A), points(HOLE), points(B)],
        }

    @pytest.mark.parametrize(
        ("layer", "name", "found"),
        [
            ("district", "1", "001"),
            ("district", 31, "031"),
            ("district", "011", "011"),
            ("beat", "111", "0111"),
            ("beat", "1713", "1713"),
            ("community_area", "7", "7"),
        ],
    )
    def test_names_are_those_of_crimes(self, layer: str, name: object, found: str) -> None:
        named = CHICAGO.boundaries[layer].name_property
        assert list(areas(collection(feature(name, [A], named=named)), layer)) == [found]

    def test_heights_are_left_out_and_whole_numbers_are_numbers(self) -> None:
        ring = [[-87, 41, 180.5], [-86, 41, 180.5], [-86, 42, 180.5], [-87, 41, 180.5]]
        elsewhere = dataclasses.replace(CHICAGO, bounding_box=(41, -87, 42, -86))
        found = areas(collection(feature("1", [ring])), city=elsewhere)
        assert found == {"001": [((-87.0, 41.0), (-86.0, 41.0), (-86.0, 42.0), (-87.0, 41.0))]}

    def test_gzip_is_told_by_its_first_bytes_also_in_several_members(self) -> None:
        plain = collection(feature("1", [A]))
        assert areas(gzip.compress(plain)) == areas(plain)
        assert areas(gzip.compress(plain[:50]) + gzip.compress(plain[50:])) == areas(plain)


def geometry(kind: str, coordinates: object) -> bytes:
    return collection({**feature("1"), "geometry": {"type": kind, "coordinates": coordinates}})


def ring_of(*corners: object) -> bytes:
    return geometry("Polygon", [list(corners)])


a, b, c, d = A[:4]
BAD = {
    "nothing": (b"", "it is not JSON"),
    "a web page": (b"<html>moved</html>", "it is not JSON"),
    "cut off": (SOUND["24zt-jpfn"][:-30], "it is not JSON"),
    "another encoding": (SOUND["24zt-jpfn"].decode().encode("utf-16"), "it is not JSON"),
    "a well": (b"[" * 200_000, "it is not JSON"),
    "a number of many digits": (b"9" * 10_000, "it is not JSON"),
    "gzip that is cut off": (gzip.compress(SOUND["24zt-jpfn"])[:-12], "it is incomplete or damaged gzip"),
    "gzip that is damaged": (
        gzip.compress(SOUND["24zt-jpfn"])[:30] + b"damage" * 9,
        "it is incomplete or damaged gzip",
    ),
    "gzip with more behind": (gzip.compress(SOUND["24zt-jpfn"]) + b"more", "it is incomplete or damaged gzip"),
    "a bomb": (gzip.compress(b" " * (MOST_BYTES + 1), 1), "it is larger than 32 MiB"),
    "a bomb in two": (gzip.compress(b" " * (MOST_BYTES // 2 + 1), 1) * 2, "it is larger than 32 MiB"),
    "a list": (b"[]", "it is not a FeatureCollection"),
    "null": (b"null", "it is not a FeatureCollection"),
    "one feature": (json.dumps(feature("1", [A])).encode(), "it is not a FeatureCollection"),
    "features that are none": (b'{"type": "FeatureCollection", "features": {"1": 2}}', "it is not a FeatureCollection"),
    "an error": (b'{"code": "dataset.missing", "error": true}', "it is not a FeatureCollection"),
    "no features": (collection(), "it has 0 features, not 1 to 5000"),
    "too many features": (collection(*[0] * (MOST_FEATURES + 1)), "it has 5001 features, not 1 to 5000"),
    "a feature that is a text": (collection(feature("1", [A]), "x"), "entry 2 of its features is not a feature"),
    "a feature of no type": (
        collection({**feature("1", [A]), "type": "Thing"}),
        "entry 1 of its features is not a feature",
    ),
    "a place": (geometry("Point", [-87.7, 41.8]), "feature 1 is neither Polygon nor MultiPolygon"),
    "lines": (geometry("MultiLineString", [A]), "feature 1 is neither Polygon nor MultiPolygon"),
    "no shape": (collection({**feature("1"), "geometry": None}), "feature 1 is neither Polygon nor MultiPolygon"),
    "no coordinates": (geometry("MultiPolygon", None), "feature 1 is neither Polygon nor MultiPolygon"),
    "no polygons": (geometry("MultiPolygon", []), "feature 1 is neither Polygon nor MultiPolygon"),
    "a polygon of nothing": (geometry("MultiPolygon", [[A], []]), "feature 1 has a polygon without rings"),
    "a polygon that is a text": (geometry("MultiPolygon", ["A"]), "feature 1 has a polygon without rings"),
    "a ring that is a text": (geometry("Polygon", ["abcd"]), "a ring that is not a list of points"),
    "rings in the place of points": (geometry("Polygon", [[A]]), "a point that is not a longitude and latitude"),
    "a ring of three points": (ring_of(a, b, a), "a ring of fewer than four points"),
    "an open ring": (ring_of(a, b, c, d), "one that is not closed"),
    "an empty ring": (ring_of(), "a ring of fewer than four points"),
    "a point of one number": (ring_of(a, b, [-87.7], a), "a point that is not a longitude and latitude in Chicago"),
    "texts for numbers": (ring_of(a, b, ["-87.7", "41.8"], a), "a point that is not a longitude and latitude"),
    "no number": (ring_of(a, b, [float("nan"), 41.8], a), "a point that is not a longitude and latitude"),
    "infinity": (ring_of(a, b, [-87.7, float("inf")], a), "a point that is not a longitude and latitude"),
    "a huge number": (ring_of(a, b, [-87.7, 10**400], a), "a point that is not a longitude and latitude"),
    "latitude first": (ring_of(*(corner[::-1] for corner in A)), "a point that is not a longitude and latitude"),
    "another city": (geometry("Polygon", [square(-74.0, 40.7)]), "a point that is not a longitude and latitude"),
    "feet": (geometry("Polygon", [square(1_176_352, 1_900_927)]), "a point that is not a longitude and latitude"),
    "a name that is a path": (collection(feature("../1", [A])), "feature 1 has a name that is not a code"),
    "a name that is markup": (collection(feature("<b>1</b>", [A])), "feature 1 has a name that is not a code"),
    "an empty name": (collection(feature("", [A])), "feature 1 has a name that is not a code"),
    "a name of digits that are not ours": (collection(feature("\u0663", [A])), "a name that is not a code"),
    "a name with a line end": (collection(feature("1\n", [A])), "feature 1 has a name that is not a code"),
    "a name that is null": (collection(feature(None, [A])), "feature 1 has a name that is not a code"),
    "a name that is true": (collection(feature(True, [A])), "feature 1 has a name that is not a code"),
    "a name that is a fraction": (collection(feature(1.5, [A])), "feature 1 has a name that is not a code"),
    "a long name": (collection(feature("1" * 17, [A])), "feature 1 has a name that is not a code"),
}


class TestOtherCities:
    """New York's portal writes precincts as whole numbers, San Francisco's districts in capitals."""

    def fetched(self, city: City, documents: dict[str, bytes]) -> dict[str, Layer]:
        with MapServer(documents) as server:
            here = server.city(city)
            return read_boundaries(here, PortalBoundaries(here, scheme="http", sleep=lambda _: None))

    @pytest.mark.parametrize("written", [str, int], ids=["texts", "numbers"])
    def test_precincts_of_new_york_are_those_of_its_complaints(self, written: type, shared_data: Path) -> None:
        published = (1, 22, 75, 116)
        features = [
            feature(written(number), [square(-73.9, 40.6 + place / 50)], named="precinct")
            for place, number in enumerate(published)
        ]
        layers = self.fetched(get("new_york"), {"y76i-bdw7": collection(*features)})
        assert {name: list(layer.areas) for name, layer in layers.items()} == {"district": ["001", "022", "075", "116"]}
        with gzip.open(
            shared_data / "other_cities/nyc_qgea-i56i_2010-01-01.csv.gz", "rt", encoding="utf-8-sig"
        ) as file:
            precincts = {
                row["ADDR_PCT_CD"].zfill(get("new_york").code_widths["district"]) for row in csv.DictReader(file)
            }
        assert precincts > {"001", "075"}

    def test_districts_of_san_francisco_are_those_of_its_reports(self, shared_data: Path) -> None:
        with gzip.open(shared_data / "other_cities/sf_wg3w-h783_2018-12.csv.gz", "rt", encoding="utf-8") as file:
            districts = {row["Police District"].upper() for row in csv.DictReader(file)} - {"OUT OF SF"}
        features = [feature(name, [square(-122.45, 37.75)], named="district") for name in sorted(districts)]
        layers = self.fetched(get("san_francisco"), {"d4vc-q76h": collection(*features)})
        assert {name: set(layer.areas) for name, layer in layers.items()} == {"district": districts}
        assert len(districts) == 10


class TestBadDocuments:
    @pytest.mark.parametrize("what", BAD)
    def test_are_refused_in_one_sentence(self, what: str) -> None:
        content, reason = BAD[what]
        with pytest.raises(FeedError) as caught:
            areas(content)
        sentence = str(caught.value)
        assert sentence.startswith("here has no usable shapes (")
        assert reason in sentence
        assert sentence.endswith("set CRIME_BOUNDARIES to a directory with sound GeoJSON.")
        assert "\n" not in sentence

    def test_true_is_no_number_anywhere(self) -> None:
        anywhere = dataclasses.replace(CHICAGO, bounding_box=(-90.0, -180.0, 90.0, 180.0))
        assert areas(ring_of([0, 0], [1, 0], [1, 1], [0, 0]), city=anywhere)
        with pytest.raises(FeedError, match="feature 1 has a point that is not a longitude and latitude"):
            areas(ring_of([0, 0], [True, 0], [1, 1], [0, 0]), city=anywhere)

    def test_of_too_many_points(self, monkeypatch: pytest.MonkeyPatch) -> None:
        content = collection(feature("1", [A]), feature("2", [A, HOLE]))
        monkeypatch.setattr(geojson, "MOST_POINTS", 15)
        assert len(areas(content)) == 2
        monkeypatch.setattr(geojson, "MOST_POINTS", 14)
        with pytest.raises(FeedError, match="it has more than 14 points"):
            areas(content)

    @pytest.mark.parametrize("properties", [None, [], {}, {"DIST_NUM": "1"}])
    def test_whose_names_are_elsewhere_say_where_to_put_it(self, properties: object) -> None:
        with pytest.raises(SourceMoved) as caught:
            areas(collection({**feature("1", [A]), "properties": properties}))
        assert str(caught.value) == (
            "Feature 1 of here has no property 'dist_num' with its name: put the current name property of the district "
            "layer in crime_assets/sources/cities/chicago.py."
        )

    def test_with_an_area_that_cannot_be_seen(self, tmp_path: Path) -> None:
        for layer, where in CHICAGO.boundaries.items():
            speck = feature("7", [square(-87.7, 41.8, 0.000001)], named=where.name_property)
            (tmp_path / f"{layer}.geojson").write_bytes(collection(speck))
        with pytest.raises(FeedError, match=r"district.geojson has an area 007 smaller than a meter, so the earlier"):
            read_boundaries(CHICAGO, DirectoryBoundaries(tmp_path))


class TestDirectory:
    def test_files_are_named_for_their_layers(self, tmp_path: Path) -> None:
        (tmp_path / "district.geojson").write_bytes(SOUND["24zt-jpfn"])
        (tmp_path / "beat.geojson.gz").write_bytes(gzip.compress(SOUND["n9it-hstw"]))
        (tmp_path / "community_area.geojson").write_bytes(SOUND["igwz-8jzy"])
        found = read_boundaries(CHICAGO, DirectoryBoundaries(tmp_path))
        assert {name: list(layer.areas) for name, layer in found.items()} == {
            "district": ["001"],
            "beat": ["0111"],
            "community_area": ["32"],
        }
        assert [Path(layer.place).name for layer in found.values()] == [
            "district.geojson",
            "beat.geojson.gz",
            "community_area.geojson",
        ]
        assert {(layer.points_before, layer.points) for layer in found.values()} == {(5, 4)}

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "beat.geojson").mkdir()
        source = DirectoryBoundaries(tmp_path)
        for wrong in (source, DirectoryBoundaries(tmp_path / "nowhere")):
            with pytest.raises(
                UsageError, match=r"^There is no beat.geojson or beat.geojson.gz in .*: put the layer's"
            ):
                wrong.read("beat")

    def test_a_file_is_read_no_further_than_it_may_be_long(self, tmp_path: Path) -> None:
        with (tmp_path / "beat.geojson").open("wb") as file:
            file.truncate(MOST_BYTES * 3)
        content = DirectoryBoundaries(tmp_path).read("beat")
        assert len(content) == MOST_BYTES + 1
        with pytest.raises(FeedError, match="it is larger than 32 MiB"):
            areas(content, "beat")

    def test_a_city_that_has_none_needs_no_files(self, tmp_path: Path) -> None:
        assert read_boundaries(dataclasses.replace(CHICAGO, boundaries={}), DirectoryBoundaries(tmp_path)) == {}


@pytest.fixture
def waits() -> list[float]:
    """The pauses that were asked for; nothing sleeps."""
    return []


@pytest.fixture
def portal() -> Iterator[MapServer]:
    with MapServer(SOUND) as server:
        yield server


@pytest.fixture
def connect(waits: list[float]) -> Callable[..., PortalBoundaries]:
    def make(server: MapServer, **options: Any) -> PortalBoundaries:
        settings = {"sleep": waits.append, "timeout": 10, **options}
        return PortalBoundaries(server.city(CHICAGO), scheme="http", **settings)

    return make


class TestPortal:
    def test_each_layer_is_one_question(self, portal: MapServer, connect) -> None:
        source = connect(portal, app_token=TOKEN)
        found = read_boundaries(source.city, source)
        assert {name: list(layer.areas) for name, layer in found.items()} == {
            "district": ["001"],
            "beat": ["0111"],
            "community_area": ["32"],
        }
        assert found["beat"].place == f"http://{portal.domain}/resource/n9it-hstw.geojson"
        assert [(request.path, request.params) for request in portal.requests] == [
            (f"/resource/{dataset}.geojson", {"$limit": "5001"}) for dataset in SOUND
        ]
        assert {request.headers["x-app-token"] for request in portal.requests} == {TOKEN}
        assert TOKEN not in repr(source)

    def test_without_a_token_none_is_sent(self, portal: MapServer, connect) -> None:
        connect(portal).read("beat")
        assert "x-app-token" not in portal.requests[0].headers

    def test_compressed_answers_are_read(self, portal: MapServer, connect) -> None:
        body = gzip.compress(SOUND["n9it-hstw"])
        portal.queue(reply(200, body, GEOJSON, {"Content-Encoding": "gzip"}))
        assert areas(connect(portal).read("beat"), "beat") == {"0111": [points(A)]}

    @pytest.mark.parametrize(
        "fault",
        [
            reply(503),
            reply(429, headers={"Retry-After": "3"}),
            reply(202),
            reply(200, b"<html>one moment</html>", "text/html"),
            cut_body,
            cut_chunk,
            hang_up,
        ],
        ids=["503", "429", "202", "a web page", "cut body", "cut chunk", "hang up"],
    )
    def test_what_passes_is_asked_again(self, portal: MapServer, connect, waits: list[float], fault: Behaviour) -> None:
        portal.queue(fault, fault, normal)
        assert connect(portal).read("beat") == SOUND["n9it-hstw"]
        assert (len(portal.requests), len(waits)) == (3, 2)

    @pytest.mark.parametrize("fault", [silence, stall])
    def test_silence_is_not_waited_out(self, portal: MapServer, connect, fault: Behaviour) -> None:
        portal.queue(fault, normal)
        assert connect(portal, timeout=0.2).read("beat") == SOUND["n9it-hstw"]

    def test_a_portal_that_stays_down(self, portal: MapServer, connect, waits: list[float]) -> None:
        portal.queue(*[reply(503)] * 4)
        with pytest.raises(FeedUnavailable) as caught:
            connect(portal, attempts=4).read("beat")
        assert str(caught.value) == (
            f"{portal.domain} gave no usable answer in 4 attempts (the last: status 503): run again later, it is safe."
        )
        assert len(waits) == 3

    def test_no_portal_at_all(self, portal: MapServer, connect) -> None:
        source = connect(portal, attempts=2)
        nobody = dataclasses.replace(source, city=dataclasses.replace(source.city, domain="127.0.0.1:1"))
        with pytest.raises(FeedUnavailable, match="the connection failed"):
            nobody.read("beat")

    @pytest.mark.parametrize(
        ("answer", "kind", "sentence"),
        [
            (reply(301, headers={"Location": "/elsewhere"}), SourceMoved, "points to /elsewhere: put the new address"),
            (reply(401, b'{"code": "permission_denied"}'), FeedError, "check SOCRATA_APP_TOKEN"),
            (reply(400, b'{"errorCode": "query.soql.bad"}'), FeedError, "refuses the query about n9it-hstw"),
        ],
    )
    def test_refusals_are_not_asked_again(
        self, portal: MapServer, connect, answer: Behaviour, kind: type[CrimeAssetsError], sentence: str
    ) -> None:
        portal.queue(answer)
        with pytest.raises(kind) as caught:
            connect(portal, app_token=TOKEN).read("beat")
        assert sentence in str(caught.value)
        assert TOKEN not in str(caught.value)
        assert len(portal.requests) == 1

    def test_a_map_that_is_gone(self, portal: MapServer, connect) -> None:
        del portal.documents["n9it-hstw"]
        with pytest.raises(SourceMoved, match=r"has no dataset n9it-hstw .*: find its new id on the portal"):
            connect(portal).read("beat")

    def test_an_answer_without_end_is_not_read_to_it(
        self, portal: MapServer, connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(boundaries, "MOST_BYTES", 100_000)
        portal.queue(tampered(lambda body: body + b" " * 3_000_000))
        assert 100_000 < len(connect(portal).read("beat")) < 200_000

    def test_a_layer_that_cannot_be_used_leaves_none(self, portal: MapServer, connect) -> None:
        portal.documents["igwz-8jzy"] = collection()
        source = connect(portal)
        with pytest.raises(FeedError, match=r"igwz-8jzy\.geojson has no usable shapes"):
            read_boundaries(source.city, source)


def test_where_chicago_has_them() -> None:
    assert CHICAGO.boundaries == {
        "district": Boundaries("24zt-jpfn", "dist_num"),
        "beat": Boundaries("n9it-hstw", "beat_num"),
        "community_area": Boundaries("igwz-8jzy", "area_numbe"),
    }
    assert CHICAGO.boundaries.keys() <= CHICAGO.columns.keys()
