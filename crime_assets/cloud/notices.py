"""Notices: what came of a day, told to an SNS topic and to CloudWatch's metrics. The one place that tells anybody.

What a run came to is read from Dagster in `automation.notices`; nothing here knows of runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import explained
from crime_assets.core.errors import CrimeAssetsError, UsageError

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_NAMESPACE = re.compile(r"(?!AWS/)[A-Za-z0-9._/#-]{1,255}")
_LONGEST_SUBJECT = 100
_LONGEST_TEXT = 2_000
"""Characters of the error; what more of it says is in Dagster."""
_MOST_CHECKS = 20
_OF_THE_ACCOUNT = re.compile(r"arn:aws[^\s,;'\"()]*|(?<![0-9])[0-9]{12}(?![0-9])|A(KIA|SIA|ROA|IDA)[A-Z0-9]{16}")
"""ARNs, the account's number, ids of keys and roles: AWS's own sentences, which ours may quote, have them."""


@dataclass(frozen=True)
class DayReport:
    """What a run of change days came to. Counts are of the whole run, None where it did not come that far.

    `lag_days` counts the days from the last merged change day to yesterday, on the city's clock. `error` is one
    sentence, told without what it says of the AWS account, for strangers may read it; `run_id` leads to the rest.
    """

    city: str
    run_id: str
    succeeded: bool
    ended_at: datetime
    first_day: date | None = None
    last_day: date | None = None
    will_retry: bool = False
    records_delivered: int | None = None
    objects: int | None = None
    bytes_delivered: int | None = None
    rows_inserted: int | None = None
    rows_replaced: int | None = None
    rows_quarantined: int | None = None
    rows_total: int | None = None
    lag_days: int | None = None
    duration_seconds: float | None = None
    failed_checks: tuple[str, ...] = ()
    error: str = ""

    @property
    def days(self) -> str:
        """The change days as a person writes them: one, a range, or nothing."""
        if self.first_day is None or self.first_day == self.last_day:
            return str(self.first_day or "")
        return f"{self.first_day} to {self.last_day}"

    @property
    def subject(self) -> str:
        """At most 100 characters of ASCII, on one line, as SNS wants it."""
        outcome = "succeeded" if self.succeeded else "failed, is tried again" if self.will_retry else "failed"
        subject = " ".join(f"crime-assets {self.city} {self.days} {outcome}".split())
        return subject.encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]

    @property
    def text(self) -> str:
        """What a person reads."""
        lines = [self.subject, ""]
        if self.error:
            lines += [_told(self.error), ""]
        lines += [f"{title}: {value:,}{unit}" for title, value, unit in self._figures() if value is not None]
        if self.failed_checks:
            more = len(self.failed_checks) - _MOST_CHECKS
            named = ", ".join(self.failed_checks[:_MOST_CHECKS])
            lines.append(f"Checks that failed: {named}{f' and {more} more' if more > 0 else ''}")
        return "\n".join([*lines, f"Run: {self.run_id}"])

    def document(self) -> str:
        """The same for programs: JSON, absent where unknown."""
        fields = {name: value for name, value in asdict(self).items() if value not in (None, "", ())}
        fields["error"] = _told(self.error)
        fields["failed_checks"] = self.failed_checks[:_MOST_CHECKS]
        return json.dumps(fields, default=lambda value: value.isoformat())

    def metrics(self) -> dict[str, tuple[float, str]]:
        """Name → value and CloudWatch's unit, of what is known."""
        found: dict[str, tuple[float | None, str]] = {
            "Succeeded": (int(self.succeeded), "Count"),
            "Failed": (int(not self.succeeded), "Count"),
            "ChecksFailed": (len(self.failed_checks), "Count"),
            "RecordsDelivered": (self.records_delivered, "Count"),
            "ObjectsDelivered": (self.objects, "Count"),
            "BytesDelivered": (self.bytes_delivered, "Bytes"),
            "RowsInserted": (self.rows_inserted, "Count"),
            "RowsReplaced": (self.rows_replaced, "Count"),
            "RowsQuarantined": (self.rows_quarantined, "Count"),
            "Rows": (self.rows_total, "Count"),
            "LagDays": (self.lag_days, "Count"),
            "Duration": (self.duration_seconds, "Seconds"),
        }
        return {name: (float(value), unit) for name, (value, unit) in found.items() if value is not None}

    def _figures(self) -> list[tuple[str, int | float | None, str]]:
        duration = None if self.duration_seconds is None else round(self.duration_seconds, 1)
        return [
            ("Records delivered", self.records_delivered, ""),
            ("Objects delivered", self.objects, ""),
            ("Bytes delivered", self.bytes_delivered, ""),
            ("Rows inserted", self.rows_inserted, ""),
            ("Rows replaced", self.rows_replaced, ""),
            ("Rows quarantined", self.rows_quarantined, ""),
            ("Rows in crimes", self.rows_total, ""),
            ("Behind yesterday", self.lag_days, " days"),
            ("Took", duration, " s"),
        ]


class Notices:
    """Tells a topic and a metrics namespace; either may be "", then it is left out."""

    def __init__(self, clients: Clients, topic_arn: str, namespace: str) -> None:
        """UsageError where topic or namespace cannot be one, or the regions disagree. No network is used."""
        if namespace and not _NAMESPACE.fullmatch(namespace):
            raise UsageError(
                f"CRIME_METRICS_NAMESPACE={namespace[:80]} is no namespace of CloudWatch: use letters, digits and "
                "._/#- only, not beginning with AWS/."
            )
        # A region that is missing is told at start as well.
        region = clients.region if topic_arn or namespace else ""
        if topic_arn:
            _check_topic(topic_arn, region)
        self._clients = clients
        self._topic = topic_arn
        self._namespace = namespace

    def announce(self, report: DayReport, warn: Callable[[str], None]) -> None:
        """Tell what came of the days. What cannot be told fails nothing: `warn` gets a sentence about it."""
        for tell in (self._publish, self._measure):
            try:
                tell(report)
            except CrimeAssetsError as error:
                warn(f"A notice of run {report.run_id} was not sent, the run itself is not touched by it: {error}")

    def _publish(self, report: DayReport) -> None:
        if not self._topic:
            return
        attributes = {
            "city": report.city,
            "outcome": "succeeded" if report.succeeded else "failed",
            "report": report.document(),
        }
        with explained("publish to the topic of notices", "CRIME_NOTICES_TOPIC"):
            self._clients.client("sns").publish(
                TopicArn=self._topic,
                Subject=report.subject,
                Message=report.text,
                MessageAttributes={name: _attribute(value) for name, value in attributes.items()},
            )

    def _measure(self, report: DayReport) -> None:
        if not self._namespace:
            return
        data = [_datum(report, name, value, unit) for name, (value, unit) in report.metrics().items()]
        with explained("put metrics to CloudWatch", "CRIME_METRICS_NAMESPACE"):
            self._clients.client("cloudwatch").put_metric_data(Namespace=self._namespace, MetricData=data)


def _check_topic(arn: str, region: str) -> None:
    found = _TOPIC.fullmatch(arn)
    if found is None:
        raise UsageError(
            f"CRIME_NOTICES_TOPIC={arn[:120]} is no ARN of a standard SNS topic: it looks like "
            f"arn:aws:sns:{region}:<account>:<name>."
        )
    if found["region"] != region:
        raise UsageError(
            f"CRIME_NOTICES_TOPIC is in {found['region']} and everything else in {region}: name a topic in {region}, "
            "or set AWS_REGION."
        )


def _datum(report: DayReport, name: str, value: float, unit: str) -> Mapping[str, Any]:
    return {
        "MetricName": name,
        "Dimensions": [{"Name": "City", "Value": report.city}],
        "Timestamp": report.ended_at.astimezone(UTC),
        "Value": value,
        "Unit": unit,
    }


def _attribute(value: str) -> Mapping[str, str]:
    return {"DataType": "String", "StringValue": value}


def _told(error: str) -> str:
    text = _OF_THE_ACCOUNT.sub("…", error)
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
