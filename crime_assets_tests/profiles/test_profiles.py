"""Settings and profiles: every variable, every wrong value, the city's calendar, and how far they reach."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path

import boto3
import pytest

from crime_assets.cloud.aws.errors import AwsError
from crime_assets.core.errors import UsageError
from crime_assets.definitions import build_defs
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import CityState
from crime_assets.profiles import FIRST_RUN_DAYS, Profile, Settings, open_profile
from crime_assets.profiles.settings import AwsSettings, Place
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.sample import SampleFeed
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.local import LocalStream
from crime_assets_tests import build
from crime_assets_tests.sources.feeds.histories import read_history

TOKEN = "s3cr3t-t0k3n"
DAY = date(2024, 1, 20)

_REACH = ("open", "socket.", "os.mkdir", "os.listdir", "os.scandir", "sqlite3.connect", "subprocess.Popen")
_heard: list[str] | None = None


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if _heard is not None and event.startswith(_REACH):
        _heard.append(f"{event} {arguments[:1]}")


# An audit hook cannot be taken off again; it is deaf outside `listening`.
sys.addaudithook(_listen)


@contextmanager
def listening() -> Iterator[list[str]]:
    """What the program reaches for on disk and in the network meanwhile."""
    global _heard  # noqa: PLW0603 - the hook can only be reached so
    _heard = heard = []
    try:
        yield heard
    finally:
        _heard = None


def profile(home: Path, clock: str = "2024-01-21T12:00:00", **settings: object) -> Profile:
    return Profile(Settings(home=home, **settings), build.clock_at(clock))  # type: ignore[arg-type]


class TestSettings:
    def test_defaults(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert Settings.from_environment({}) == Settings(
            home=tmp_path / "lake",
            city="chicago",
            feed="sample",
            export="",
            app_token="",
            sample_rows=250_000,
            sample_seed=7,
        )

    def test_every_variable(self) -> None:
        environment = {
            "CRIME_PROFILE": "local",
            "CRIME_HOME": "/somewhere/lake",
            "CRIME_CITY": "new_york",
            "CRIME_CITIES": "new_york",
            "CRIME_FEED": "export",
            "CRIME_EXPORT": "/data/*.csv.gz",
            "SOCRATA_APP_TOKEN": TOKEN,
            "CRIME_ENGINE": "spark",
            "CRIME_SAMPLE_ROWS": "1000",
            "CRIME_SAMPLE_SEED": "0",
            "CRIME_BOUNDARIES": "/data/maps",
            "CRIME_SMALL_NUMBERS": "0",
            "CRIME_FORECAST_AREA_CAP": "2.5",
            "CRIME_POLICY": "/etc/policy.toml",
            "CRIME_SERVICE": "https://crime.city.example",
            "CRIME_TOKEN": TOKEN,
            "CRIME_OIDC_SECRET": TOKEN,
            "CRIME_SOCKET": "/run/socket",
            "CRIME_AUDIT_ANCHOR": "/somewhere/anchors",
            "DAGSTER_HOME": "/somewhere/dagster",
            "CRIME_DBT": "/somewhere/analysis",
            "CRIME_STREAM": "fir",
            "CRIME_STREAM_SOURCE": "kinesis:Reports",
            "CRIME_STREAM_TIMEZONE": "America/Chicago",
            "CRIME_ALERTS_TOPIC": "arn:aws:sns:us-east-1:123456789012:alerts",
            "CRIME_ALERTS_WEBHOOK": "https://alerts.city.example",
            "CRIME_ALERTS_SECRET": TOKEN,
            "CRIME_WAREHOUSE": f"postgresql://loader:{TOKEN}@db.city.example/fir",
            "CRIME_LEGACY": "oracle+oracledb://reader@db.city.example:1521/records",
            "CRIME_LEGACY_PASSWORD": f" {TOKEN} ",
        }
        settings = Settings.from_environment(environment)
        assert settings == Settings(
            home=Path("/somewhere/lake"),
            city="new_york",
            cities=("new_york",),
            feed="export",
            export="/data/*.csv.gz",
            app_token=TOKEN,
            engine="spark",
            sample_rows=1_000,
            sample_seed=0,
            boundaries="/data/maps",
            small_numbers=0,
            forecast_cap=2.5,
            policy=Path("/etc/policy.toml"),
            socket=Path("/run/socket"),
            service="https://crime.city.example",
            service_token=TOKEN,
            oidc_secret=TOKEN,
            audit_anchor=Path("/somewhere/anchors"),
            dagster_home=Path("/somewhere/dagster"),
            dbt=Path("/somewhere/analysis"),
            stream="fir",
            stream_source="kinesis:Reports",
            stream_zone="America/Chicago",
            alerts_topic="arn:aws:sns:us-east-1:123456789012:alerts",
            alerts_webhook="https://alerts.city.example",
            alerts_secret=TOKEN,
            warehouse=f"postgresql://loader:{TOKEN}@db.city.example/fir",
            legacy="oracle+oracledb://reader@db.city.example:1521/records",
            legacy_password=f" {TOKEN} ",
        )
        assert TOKEN not in repr(settings)
        defaults = Settings()
        names = {field.name for field in fields(Settings)} - {"aws"}
        assert all(getattr(settings, name) != getattr(defaults, name) for name in names)

    def test_a_variable_set_to_nothing_is_not_set(self) -> None:
        names = "PROFILE HOME CITY CITIES FEED EXPORT ENGINE SAMPLE_ROWS SAMPLE_SEED BOUNDARIES POLICY SOCKET".split()
        live = "STREAM STREAM_SOURCE STREAM_TIMEZONE ALERTS_TOPIC ALERTS_WEBHOOK ALERTS_SECRET WAREHOUSE".split()
        others = ("AUDIT_ANCHOR", "DBT", "FORECAST_AREA_CAP", "LEGACY", "LEGACY_PASSWORD", "DOCUMENTS")
        nothing = {f"CRIME_{name}": "" for name in (*names, *live, *others)} | {"SOCRATA_APP_TOKEN": ""}
        assert Settings.from_environment(nothing) == Settings.from_environment({})

    def test_the_real_environment_is_read_when_asked(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("CRIME_HOME", str(tmp_path / "other"))
        assert Settings.from_environment().home == tmp_path / "other"

    @pytest.mark.parametrize(
        ("name", "value", "advice"),
        [
            ("CRIME_PROFILE", "cloud", "set it to one of local, aws"),
            ("CRIME_PROFILE", " local", "set it to one of local, aws"),
            ("CRIME_FEED", "ftp", "set it to one of sample, export, socrata"),
            ("CRIME_FEED", "SAMPLE", "set it to one of sample, export, socrata"),
            ("CRIME_ENGINE", "oracle", "set it to one of duckdb, spark, athena"),
            ("CRIME_ENGINE", "athena", "set CRIME_PROFILE=aws too"),
            ("CRIME_SAMPLE_ROWS", "many", "not a whole number: set it to one, such as 250000"),
            ("CRIME_SAMPLE_ROWS", "-5", "not a whole number"),
            ("CRIME_SAMPLE_ROWS", "1e6", "not a whole number"),
            ("CRIME_SAMPLE_ROWS", "1_000", "not a whole number"),
            ("CRIME_SAMPLE_ROWS", "٣", "not a whole number"),
            ("CRIME_SAMPLE_ROWS", "9" * 5_000, "not a whole number"),
            ("CRIME_SAMPLE_SEED", "0.5", "not a whole number: set it to one, such as 7"),
            ("CRIME_FORECAST_AREA_CAP", "0.99", "is no cap: set it to 1 or more, such as 2.5, or unset it"),
            ("CRIME_FORECAST_AREA_CAP", "-2", "is no cap"),
            ("CRIME_FORECAST_AREA_CAP", "nan", "is no cap"),
            ("CRIME_FORECAST_AREA_CAP", "1e9", "is no cap"),
            ("CRIME_FORECAST_AREA_CAP", "٣", "is no cap"),
            ("CRIME_HOME", "~nobody-of-that-name/lake", "write the whole path"),
            ("CRIME_LEGACY", "db.city.example/records", "write it like postgresql://user@host/database"),
            ("CRIME_LEGACY", "mysql://db.city.example/records", "is not the address of a legacy database"),
            ("CRIME_LEGACY", "postgresql://", "is not the address of a legacy database"),
            ("CRIME_LEGACY", "postgresql://db.city.example/records\n", "is not the address of a legacy database"),
            ("SOCRATA_APP_TOKEN", "two\nlines", "copy it again from the portal"),
            ("SOCRATA_APP_TOKEN", "tökén", "copy it again from the portal"),
        ],
    )
    def test_a_wrong_value_is_one_sentence_that_names_the_variable(self, name: str, value: str, advice: str) -> None:
        with pytest.raises(UsageError) as caught:
            Settings.from_environment({name: value})
        sentence = str(caught.value)
        assert sentence.startswith(name)
        assert advice in sentence
        assert "\n" not in sentence
        assert len(sentence) < 200
        assert caught.value.exit_code == 2

    def test_home_is_whole_and_knows_the_person(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", "/home/someone")
        assert Settings.from_environment({"CRIME_HOME": "data/lake"}).home == tmp_path / "data/lake"
        assert Settings.from_environment({"CRIME_HOME": "~/lake"}).home == Path("/home/someone/lake")

    @pytest.mark.parametrize("token", [TOKEN, f" {TOKEN}\n", f"{TOKEN}\r\n"])
    def test_the_token_is_kept_without_what_copying_adds(self, token: str) -> None:
        assert Settings.from_environment({"SOCRATA_APP_TOKEN": token}).app_token == TOKEN

    def test_the_token_shows_nowhere(self, tmp_path: Path) -> None:
        settings = Settings.from_environment({"SOCRATA_APP_TOKEN": TOKEN, "CRIME_HOME": str(tmp_path)})
        made = Profile(settings)
        made.begin(DAY)
        for shown in (settings, made, made.city, made.lake, made.state, made.landing):
            assert TOKEN not in f"{shown!r}{shown}"
        assert not any(TOKEN.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    def test_a_wrong_token_does_not_show_either(self) -> None:
        with pytest.raises(UsageError) as caught:
            Settings.from_environment({"SOCRATA_APP_TOKEN": f"{TOKEN}\n{TOKEN}"})
        assert TOKEN not in str(caught.value)

    @pytest.mark.parametrize(
        "rest",
        [
            *(f"reader:{TOKEN}{signs}@db.city.example/records" for signs in ("", "@", ":", "/", "#", "@x/")),
            f"reader@db.city.example/records?sslmode=require&password={TOKEN}",
            f"d/records?Password={TOKEN}",
        ],
    )
    def test_a_password_in_the_address_of_a_legacy_database_is_refused_and_not_shown(self, rest: str) -> None:
        with pytest.raises(UsageError, match="the password apart, in CRIME_LEGACY_PASSWORD") as caught:
            Settings.from_environment({"CRIME_LEGACY": f"postgresql://{rest}"})
        assert TOKEN not in str(caught.value)


class TestReach:
    def test_settings_and_a_profile_touch_neither_disk_nor_network(self, tmp_path: Path) -> None:
        environment = {"CRIME_HOME": str(tmp_path / "lake"), "CRIME_FEED": "socrata", "SOCRATA_APP_TOKEN": TOKEN}
        with listening() as heard:
            made = Profile(Settings.from_environment(environment))
            repr(made)
        assert heard == []
        with listening() as heard:
            (tmp_path / "x").write_text("what is listened for is heard")
        assert len(heard) == 1

    def test_the_calendar_of_an_unbegun_lake_writes_nothing(self, tmp_path: Path) -> None:
        made = profile(tmp_path / "lake")
        assert made.state is None
        assert (made.today, made.first_change_day) == (date(2024, 1, 21), date(2024, 1, 14))
        assert made.city == replace(build.CHICAGO, serial_ids_from=None), "ids of the sample city tell nothing"
        assert not (tmp_path / "lake").exists()

    def test_the_portals_feed_is_made_without_asking_the_portal(self, tmp_path: Path) -> None:
        made = profile(tmp_path, feed="socrata", app_token=TOKEN)
        with listening() as heard:
            feed = made.feed
        assert isinstance(feed, SocrataFeed)
        assert not any(event.startswith("socket.") for event in heard)


class TestParts:
    def test_are_made_once_but_streams_are_new_each_time(self, tmp_path: Path) -> None:
        made = profile(tmp_path)
        assert made.lake is made.lake
        assert made.landing is made.landing
        assert made.engine is made.engine
        assert made.feed is made.feed
        assert made.stream() is not made.stream()

    def test_are_those_of_the_local_profile(self, tmp_path: Path) -> None:
        made = profile(tmp_path)
        assert isinstance(made.landing, DirectoryStore)
        assert isinstance(made.stream(), LocalStream)
        assert isinstance(made.engine, DuckDBEngine)
        assert made.lake.home == tmp_path

    def test_a_stream_writes_to_the_landing_store_of_the_city(self, tmp_path: Path) -> None:
        made = profile(tmp_path)
        stream = made.stream()
        stream.put(DAY, [b"{}\n"])
        stream.close()
        (written,) = made.landing.list("")
        assert written.key.startswith("raw/city=chicago/change_day=2024-01-20/local-20240121T120000Z-")
        assert (tmp_path / "landing" / written.key).is_file()

    def test_each_feed(self, tmp_path: Path) -> None:
        export = build.write_export(tmp_path / "export.csv", [build.record(1, "2024-01-10")])
        assert isinstance(profile(tmp_path).feed, SampleFeed)
        assert isinstance(profile(tmp_path, feed="export", export=str(export)).feed, ExportFeed)

    def test_an_export_that_is_not_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"^CRIME_FEED=export needs CRIME_EXPORT: set it to"):
            _ = profile(tmp_path, feed="export").feed

    def test_a_city_that_is_unknown(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no city 'gotham': set CRIME_CITY to one of chicago"):
            _ = profile(tmp_path, city="gotham").city


class TestCalendar:
    @pytest.mark.parametrize(
        ("clock", "today"),
        [
            ("2024-01-21T05:59:59", date(2024, 1, 20)),
            ("2024-01-21T06:00:00", date(2024, 1, 21)),
            ("2024-01-22T00:00:00", date(2024, 1, 21)),
            ("2024-07-21T04:59:59", date(2024, 7, 20)),
            ("2024-07-21T05:00:00", date(2024, 7, 21)),
            ("2024-01-01T00:30:00", date(2023, 12, 31)),
        ],
    )
    def test_today_is_the_citys(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: str, today: date) -> None:
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        assert profile(tmp_path, clock).today == today

    def test_today_goes_on_with_the_clock(self, tmp_path: Path) -> None:
        moments = iter([datetime(2024, 1, 21, 5, 59, tzinfo=UTC), datetime(2024, 1, 21, 6, 1, tzinfo=UTC)])
        made = Profile(Settings(home=tmp_path), lambda: next(moments))
        assert [made.today, made.today] == [date(2024, 1, 20), date(2024, 1, 21)]

    def test_a_lake_begins_a_week_back_and_stays_there(self, tmp_path: Path) -> None:
        made = profile(tmp_path, "2024-01-21T12:00:00")
        assert made.first_change_day == date(2024, 1, 14)
        assert (made.today - made.first_change_day).days == FIRST_RUN_DAYS
        made.begin(made.first_change_day)
        later = profile(tmp_path, "2024-06-01T12:00:00")
        assert later.first_change_day == date(2024, 1, 14)

    def test_begin_settles_the_day_and_the_sample_city_once(self, tmp_path: Path) -> None:
        made = profile(tmp_path, sample_rows=5_000, sample_seed=3)
        settled = CityState("sample", "2024-01-02", 5_000, 3)
        assert made.begin(date(2024, 1, 2)) == settled
        assert made.first_change_day == date(2024, 1, 2)
        other = profile(tmp_path, sample_rows=9_000, sample_seed=4)
        assert other.begin(date(2024, 1, 5)) == settled
        assert (other.state, other.first_change_day) == (settled, date(2024, 1, 2))

    def test_the_sample_city_reaches_back_from_the_settled_day(self, tmp_path: Path) -> None:
        made = profile(tmp_path, sample_rows=20_000)
        before = made.feed
        made.begin(date(2024, 1, 10))
        assert made.feed is not before
        assert read_history(made.feed, date(2024, 1, 10)).num_rows == pytest.approx(20_000, rel=0.03)
        again = profile(tmp_path, "2024-01-25T12:00:00", sample_rows=9_999, sample_seed=1)
        first, second = (
            {record["id"]: record for record in feed.changes(date(2024, 1, 10), date(2024, 1, 10))}
            for feed in (made.feed, again.feed)
        )
        shared = first.keys() & second.keys()
        assert len(shared) > 0.8 * len(first)
        assert all(first[key] == second[key] for key in shared)

    def test_real_crimes_are_not_mixed_into_a_simulated_lake(self, tmp_path: Path) -> None:
        profile(tmp_path).begin(DAY)
        export = profile(tmp_path, feed="export", export="x")
        with pytest.raises(UsageError, match="set another CRIME_HOME for CRIME_FEED=export"):
            export.begin(DAY)
        assert export.first_change_day == DAY


def test_no_other_room_reads_the_environment() -> None:
    package = Path(sys.modules["crime_assets"].__file__ or "").parent
    readers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(word in path.read_text() for word in ("os.environ", "os.getenv", "EnvVar("))
    }
    # The command sets Dagster's own variables for the processes it starts; Spark and Java have theirs.
    assert readers <= {"profiles/settings.py", "cli/runner.py", "lakehouse/spark/session.py"}


AWS = {
    "CRIME_PROFILE": "aws",
    "CRIME_LAKE": "s3://city-lake/tables/",
    "CRIME_LANDING": "s3://city-landing",
    "CRIME_FIREHOSE": "crimes",
    "CRIME_FIRST_DAY": "2026-01-01",
    "AWS_REGION": "us-east-2",
}
ATHENA = {"https://catalog.example.org": {"CRIME_ENGINE": "athena", "CRIME_ATHENA_WORKGROUP": "crimes"}}
TOPIC = "arn:aws:sns:us-east-2:000000000000:days"


class TestAws:
    def test_what_must_be_set_is_enough(self) -> None:
        assert Settings.from_environment(AWS).aws == AwsSettings(
            lake=Place("city-lake", "tables"),
            landing=Place("city-landing", ""),
            firehose="crimes",
            first_day=date(2026, 1, 1),
            region="us-east-2",
        )
        assert str(Place("city-lake", "tables")) == "s3://city-lake/tables"
        assert Settings.from_environment({**AWS, "CRIME_PROFILE": "local"}).aws is None

    def test_every_variable(self) -> None:
        more = {
            "CRIME_CATALOG": "https://catalog.example.org/api",
            "CRIME_CATALOG_CREDENTIAL": f"me:{TOKEN}",
            "CRIME_ENGINE": "spark",
            "CRIME_ATHENA_WORKGROUP": "crimes",
            "CRIME_SPARK_JOB": "glue:crimes-spark",
            "CRIME_MASK_KEY": "crime-assets/mask",
            "CRIME_NOTICES_TOPIC": TOPIC,
            "CRIME_METRICS_NAMESPACE": "Crimes",
            "CRIME_DOCUMENTS": "department.crimes",
        }
        settings = Settings.from_environment({**AWS, **more})
        assert settings.aws is not None
        found = {name: getattr(settings.aws, name) for name in (field.name for field in fields(AwsSettings))}
        assert {name: found[name] for name in list(found)[5:]} == {
            "catalog": more["CRIME_CATALOG"],
            "catalog_credential": more["CRIME_CATALOG_CREDENTIAL"],
            "athena_workgroup": "crimes",
            "spark_job": "glue:crimes-spark",
            "mask_key": "crime-assets/mask",
            "notices_topic": TOPIC,
            "metrics_namespace": "Crimes",
            "documents": "department.crimes",
        }
        assert TOKEN not in repr(settings)

    @pytest.mark.parametrize("name", ["CRIME_LAKE", "CRIME_LANDING", "CRIME_FIREHOSE", "CRIME_FIRST_DAY"])
    def test_what_is_missing_is_named(self, name: str) -> None:
        with pytest.raises(UsageError, match=f"CRIME_PROFILE=aws needs {name}: set it to "):
            Settings.from_environment({**AWS, name: ""})

    @pytest.mark.parametrize(
        ("name", "value", "advice"),
        [
            ("CRIME_LAKE", "/a/directory", "write it like s3://your-bucket/lake"),
            ("CRIME_LAKE", "s3://city-lake/../other", "write it like s3://your-bucket/lake"),
            ("CRIME_LAKE", "s3://city-lake/a b", "write it like s3://your-bucket/lake"),
            ("CRIME_LANDING", "s3://C", "write it like s3://your-bucket/landing"),
            ("CRIME_LANDING", "s3://city-landing/'; DROP", "write it like s3://your-bucket/landing"),
            ("CRIME_LANDING", "s3://city-lake/tables", "CRIME_LANDING=s3://city-lake/tables are the same"),
            ("CRIME_LANDING", "s3://city-lake", "set them to places apart"),
            ("CRIME_LANDING", "s3://city-lake/tables/landing/", "set them to places apart"),
            ("CRIME_FIRST_DAY", "yesterday", "write it like 2026-01-01"),
            ("CRIME_FIREHOSE", "a stream", "the name of a delivery stream"),
            ("CRIME_ENGINE", "athena", "needs CRIME_ATHENA_WORKGROUP"),
            ("CRIME_MASK_KEY", "a key", "the name of a secret in Secrets Manager"),
            ("CRIME_DOCUMENTS", "no", "set it to the name of a DynamoDB table"),
            ("CRIME_LEGACY", "mariadb://db.city.example/records", "needs CRIME_DOCUMENTS"),
            ("CRIME_SOCKET", "/run/socket", "CRIME_SOCKET is for the local profile"),
            ("CRIME_CATALOG", "https://catalog.example.org", "CRIME_ENGINE=athena needs the Glue catalog"),
            ("CRIME_CATALOG", "hive", "neither glue nor the address"),
            ("CRIME_CATALOG", "https://me:secret@catalog.example.org", "without a password in it"),
            ("CRIME_SPARK_JOB", "crimes", "glue:JOB or emr-serverless:APPLICATION"),
            ("AWS_DEFAULT_REGION", "eu-west-1", "set both to the same, or only one"),
        ],
    )
    def test_a_wrong_value_is_one_sentence(self, name: str, value: str, advice: str) -> None:
        with pytest.raises(UsageError, match=re.escape(advice)) as caught:
            Settings.from_environment({**AWS, **ATHENA.get(value, {}), name: value})
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("landing", ["s3://city-lake/landing", "s3://city-lake/tables-2", "s3://city-lake-2"])
    def test_lake_and_landing_may_share_a_bucket(self, landing: str) -> None:
        settings = Settings.from_environment({**AWS, "CRIME_LANDING": landing})
        assert settings.aws is not None
        assert str(settings.aws.landing) == landing

    def test_definitions_load_without_a_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {**AWS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
            monkeypatch.setenv(name, value)
        days = build_defs(open_profile(Settings.from_environment())).resolve_assets_def("crimes").partitions_def
        assert days is not None
        assert days.get_first_partition_key() == "2026-01-01"

    def test_the_bucket_of_another_region_is_named(self, moto: str, tmp_path: Path) -> None:
        boto3.client("s3", region_name="eu-west-1").create_bucket(
            Bucket="city-landing", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        settings = Settings.from_environment({**AWS, "CRIME_HOME": str(tmp_path), "AWS_REGION": "us-east-2"})
        with pytest.raises(
            UsageError, match="bucket city-landing of CRIME_LANDING is in eu-west-1, but AWS_REGION is us-e"
        ):
            _ = open_profile(settings).lake

    def test_a_missing_bucket_is_named(self, moto: str, tmp_path: Path) -> None:
        settings = Settings.from_environment({**AWS, "CRIME_HOME": str(tmp_path)})
        with pytest.raises(AwsError, match=r"use the bucket city-landing: it does not exist \(404\).*CRIME_LANDING"):
            _ = open_profile(settings).lake
