"""What a run asks of a job and what the job answers, as JSON. It never contains secrets, only their names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, TypeVar

from crime_assets.core import errors
from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.defs.work.steps import InsightDay, InsightResult
from crime_assets.lakehouse.writing.history import HistoryResult
from crime_assets.lakehouse.writing.merge import MergeResult
from crime_assets.profiles import Settings

Result = HistoryResult | MergeResult | InsightResult
_Kind = TypeVar("_Kind", HistoryResult, MergeResult)


@dataclass(frozen=True)
class Request:
    """One step: "history" before the one day, "merge" of the days, or the "insight" of that name for the days.

    `settings` are variables as `Settings` reads them; `secrets` names those that are set and secret.
    """

    step: str
    run_id: str
    days: Sequence[date]
    insight: str
    settings: Mapping[str, str]
    secrets: Sequence[str]


def settings_of(settings: Settings) -> tuple[dict[str, str], list[str]]:
    """The variables that make the same settings in a job, and the names of the secret ones that are set.

    Left out is what belongs to the place where the run is: its directories, the job itself, and who is notified.
    """
    found = {
        "CRIME_CITY": settings.city,
        "CRIME_FEED": settings.feed,
        "CRIME_EXPORT": settings.export,
        "CRIME_ENGINE": settings.engine,
        "CRIME_SAMPLE_ROWS": str(settings.sample_rows),
        "CRIME_SAMPLE_SEED": str(settings.sample_seed),
    }
    secret = {"SOCRATA_APP_TOKEN": settings.app_token}
    if (aws := settings.aws) is not None:
        found |= {
            "CRIME_PROFILE": "aws",
            "CRIME_LAKE": str(aws.lake),
            "CRIME_LANDING": str(aws.landing),
            "CRIME_FIREHOSE": aws.firehose,
            "CRIME_FIRST_DAY": aws.first_day.isoformat(),
            "CRIME_CATALOG": aws.catalog,
            "AWS_REGION": aws.region or "",
        }
        secret["CRIME_CATALOG_CREDENTIAL"] = aws.catalog_credential
    return {name: value for name, value in found.items() if value}, [name for name, value in secret.items() if value]


def dump_request(wanted: Request) -> dict[str, Any]:
    """The request as plain JSON values."""
    return _plain(asdict(wanted))


def load_request(document: Mapping[str, Any]) -> Request:
    """The request again. UsageError where another release wrote it."""
    try:
        return Request(**{**document, "days": [date.fromisoformat(day) for day in document["days"]]})
    except (TypeError, ValueError, KeyError) as error:
        raise other_release() from error


def dump_result(result: Result) -> dict[str, Any]:
    """The answer of a job that did its step."""
    return _plain({"result": asdict(result)})


def dump_error(error: CrimeAssetsError) -> dict[str, Any]:
    """The answer of a job that could not do its step."""
    return {"error": {"kind": type(error).__name__, "sentence": str(error)}}


def load_result(answer: Mapping[str, Any], kind: type[_Kind]) -> _Kind:
    """The result of a history or a merge. Raises the error that the job answered with, as it was raised there."""
    try:
        return kind(**_result(answer))
    except TypeError as error:
        raise other_release() from error


def load_insight(answer: Mapping[str, Any]) -> InsightResult:
    """The result of an insight; dates in its preview are text."""
    try:
        found = _result(answer)
        days = [InsightDay(**{**day, "day": date.fromisoformat(day["day"])}) for day in found["days"]]
        return InsightResult(days, found["types"], found["spent"])
    except (TypeError, KeyError, ValueError) as error:
        raise other_release() from error


def raise_error(answer: Mapping[str, Any]) -> None:
    """Raise the error that a job answered with, of the kind it was there; nothing where it answered with none."""
    if (told := answer.get("error")) is not None:
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__name__ == told["kind"]]
        kind = next((kind for kind in kinds if issubclass(kind, CrimeAssetsError)), CrimeAssetsError)
        raise kind(told["sentence"])


def other_release() -> UsageError:
    """The error for two ends that do not understand each other."""
    return UsageError(
        "The job of CRIME_SPARK_JOB has another release of crime-assets than this: deploy the same one to both."
    )


def _result(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    raise_error(answer)
    found: Mapping[str, Any] = answer["result"]
    return found


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Only what JSON has: days and times become text."""
    plain: dict[str, Any] = json.loads(json.dumps(document, default=str))
    return plain
