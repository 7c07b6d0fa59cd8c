"""What travels between a run and a job: everything that a job needs, and no secret."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime

import pytest

from crime_assets.cloud.aws.errors import AwsError
from crime_assets.core.errors import CrimeAssetsError, FeedUnavailable, UsageError
from crime_assets.defs.work import messages
from crime_assets.defs.work.messages import Request
from crime_assets.defs.work.steps import InsightDay, InsightResult
from crime_assets.lakehouse.writing.history import HistoryResult
from crime_assets.lakehouse.writing.merge import MergeResult
from crime_assets.profiles import Settings

SECRETS = {"SOCRATA_APP_TOKEN": "token-of-ours", "CRIME_CATALOG_CREDENTIAL": "id:password"}
LOCAL = {
    "CRIME_HOME": "/somewhere/lake",
    "CRIME_FEED": "export",
    "CRIME_EXPORT": "/exports/*.csv",
    "CRIME_ENGINE": "spark",
    "CRIME_SAMPLE_ROWS": "12",
    "CRIME_SAMPLE_SEED": "3",
    "CRIME_SMALL_NUMBERS": "9",
    "CRIME_FORECAST_AREA_CAP": "2",
    "CRIME_BOUNDARIES": "portal",
    "SOCRATA_APP_TOKEN": SECRETS["SOCRATA_APP_TOKEN"],
    "DAGSTER_HOME": "/somewhere/dagster",
}
AWS = LOCAL | {
    "CRIME_PROFILE": "aws",
    "CRIME_LAKE": "s3://tables/lake",
    "CRIME_LANDING": "s3://objects",
    "CRIME_FIREHOSE": "crimes",
    "CRIME_FIRST_DAY": "2024-01-25",
    "CRIME_CATALOG": "https://catalog.example.org",
    "CRIME_CATALOG_CREDENTIAL": SECRETS["CRIME_CATALOG_CREDENTIAL"],
    "CRIME_ATHENA_WORKGROUP": "analysts",
    "CRIME_SPARK_JOB": "glue:crimes",
    "CRIME_NOTICES_TOPIC": "arn:aws:sns:us-east-2:123456789012:crimes",
    "CRIME_METRICS_NAMESPACE": "Crimes",
    "AWS_REGION": "us-east-2",
}
OF_THE_RUN = {"CRIME_HOME", "DAGSTER_HOME", "CRIME_SPARK_JOB", "CRIME_ATHENA_WORKGROUP"} | {
    "CRIME_NOTICES_TOPIC",
    "CRIME_METRICS_NAMESPACE",
    "CRIME_SMALL_NUMBERS",
    "CRIME_FORECAST_AREA_CAP",
    "CRIME_BOUNDARIES",
}


@pytest.mark.parametrize("environment", [{}, LOCAL, AWS], ids=["defaults", "local", "aws"])
def test_a_job_has_the_settings_of_the_run(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)
    travelling, secret = messages.settings_of(settings)

    there = Settings.from_environment({**travelling, **{name: SECRETS[name] for name in secret}})

    here = {name: value for name, value in environment.items() if name not in OF_THE_RUN}
    assert there == Settings.from_environment(here)
    assert set(secret) == set(SECRETS) & set(environment)
    assert not any(value in json.dumps(travelling) for value in SECRETS.values())


def test_every_setting_was_thought_of() -> None:
    """A setting that is new must travel or stay: see `settings_of`, and the environment above."""
    aws = Settings.from_environment(AWS)
    defaults = Settings.from_environment({})
    assert aws.aws is not None
    different = {
        field.name for field in dataclasses.fields(aws) if getattr(aws, field.name) != getattr(defaults, field.name)
    }
    of_the_local_profile = {"policy", "audit_anchor", "socket", "service", "service_token", "oidc_secret"}
    # dbt is a code location of its own, and its models have no jobs. Jobs do not see what assets are called.
    elsewhere = {"city", "cities", "dbt"} | of_the_local_profile
    # Live reports are read and loaded where the graph runs.
    elsewhere |= {
        "stream",
        "stream_source",
        "stream_zone",
        "alerts_topic",
        "alerts_webhook",
        "alerts_secret",
        "warehouse",
    }
    # So are legacy databases.
    elsewhere |= {"legacy", "legacy_password"}
    assert {field.name for field in dataclasses.fields(aws)} - different == elsewhere
    unset = {field.name for field in dataclasses.fields(aws.aws) if not getattr(aws.aws, field.name)}
    # Masked tables and documents are written where the graph runs.
    assert unset == {"mask_key", "documents"}


def test_a_request_comes_as_it_was_sent() -> None:
    wanted = Request("insight", "run", [date(2024, 1, 25), date(2024, 1, 26)], "hotspots", {"CRIME_CITY": "x"}, ["S"])
    assert messages.load_request(json.loads(json.dumps(messages.dump_request(wanted)))) == wanted


def test_results_come_as_they_were() -> None:
    history = HistoryResult(True, 5, 4, 1, 0, 2**62)
    merge = MergeResult(*range(1, 11), None, 12)
    for result in (history, merge):
        answer = json.loads(json.dumps(messages.dump_result(result)))
        assert messages.load_result(answer, type(result)) == result

    rows = [{"day": date(2024, 1, 1), "at": datetime(2024, 1, 1, 2), "share": 0.5, "n": 3, "name": None}]
    insight = InsightResult(
        [InsightDay(date(2024, 1, 25), 1, True, rows, "<svg/>")], {"day": "date32[day]"}, {"dollars": 0.5}
    )
    found = messages.load_insight(json.loads(json.dumps(messages.dump_result(insight))))
    plain = [{"day": "2024-01-01", "at": "2024-01-01 02:00:00", "share": 0.5, "n": 3, "name": None}]
    assert found == InsightResult(
        [InsightDay(date(2024, 1, 25), 1, True, plain, "<svg/>")], {"day": "date32[day]"}, {"dollars": 0.5}
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [(UsageError("a"), UsageError), (FeedUnavailable("b"), FeedUnavailable), (AwsError("c"), CrimeAssetsError)],
)
def test_errors_are_raised_as_they_were(error: CrimeAssetsError, kind: type[CrimeAssetsError]) -> None:
    with pytest.raises(CrimeAssetsError) as caught:
        messages.load_result(json.loads(json.dumps(messages.dump_error(error))), MergeResult)
    assert type(caught.value) is kind
    assert str(caught.value) == str(error)


def test_two_releases_do_not_misunderstand_each_other() -> None:
    document = messages.dump_request(Request("merge", "run", [date(2024, 1, 25)], "", {}, []))
    for wrong in ({**document, "more": 1}, {**document, "days": ["x"]}, {"step": "merge"}):
        with pytest.raises(UsageError, match="another release"):
            messages.load_request(wrong)
    for answer in ({"result": {"rows": 1}}, {"result": {**dataclasses.asdict(HistoryResult(True)), "more": 1}}):
        with pytest.raises(UsageError, match="another release"):
            messages.load_result(answer, HistoryResult)
    with pytest.raises(UsageError, match="another release"):
        messages.load_insight({"result": {"days": [{}], "types": {}}})
