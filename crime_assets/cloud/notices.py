"""Notices: the outcome of a run, sent to an SNS topic and to CloudWatch metrics. Nothing else sends notices.

What is said of a day is here, of a migration in `migration_notices`. The outcome of a run is read from Dagster in
`automation.notices`; nothing here knows about runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import explained
from crime_assets.core.errors import CrimeAssetsError, UsageError

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_NAMESPACE = re.compile(r"(?!AWS/)[A-Za-z0-9._/#-]{1,255}")
_LONGEST_SUBJECT = 100
_LONGEST_TEXT = 2_000
"""Most characters of an error that are sent; the rest is in Dagster."""
_MOST_CHECKS = 20
_OF_THE_ACCOUNT = re.compile(r"arn:aws[^\s,;'\"()]*|(?<![0-9])[0-9]{12}(?![0-9])|A(KIA|SIA|ROA|IDA)[A-Z0-9]{16}")
"""ARNs, the account's number, ids of keys and roles: our sentences may quote AWS's, which contain them."""


class Report(Protocol):
    """What is said of a run, to people and to programs."""

    @property
    def city(self) -> str:
        """The city that it was about."""

    @property
    def run_id(self) -> str:
        """Leads to the rest."""

    @property
    def succeeded(self) -> bool:
        """The outcome."""

    @property
    def ended_at(self) -> datetime:
        """When."""

    @property
    def subject(self) -> str:
        """As `subject_of` makes it."""

    @property
    def text(self) -> str:
        """The message that a person reads."""

    def document(self) -> str:
        """The same for programs: JSON, without the fields that are unknown."""

    def metrics(self) -> dict[str, tuple[float, str]]:
        """Metric name → value and CloudWatch unit, for all that is known."""


def subject_of(text: str) -> str:
    """At most 100 characters of ASCII, on one line, as SNS wants it."""
    return " ".join(text.split()).encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]


def told(error: str) -> str:
    """A sentence without details of the AWS account, and not too long."""
    text = _OF_THE_ACCOUNT.sub("…", error)
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


@dataclass(frozen=True)
class DayReport:
    """The outcome of a run of change days. Counts are of the whole run, None if it did not get that far.

    `lag_days` counts the days from the last merged change day to yesterday, on the city's clock. `error` is one
    sentence, sent without details of the AWS account, because strangers may read it; `run_id` leads to the rest.
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
        """The change days as text: one, a range, or nothing."""
        if self.first_day is None or self.first_day == self.last_day:
            return str(self.first_day or "")
        return f"{self.first_day} to {self.last_day}"

    @property
    def subject(self) -> str:
        """City, days and outcome."""
        outcome = "succeeded" if self.succeeded else "failed, will be retried" if self.will_retry else "failed"
        return subject_of(f"crime-assets {self.city} {self.days} {outcome}")

    @property
    def text(self) -> str:
        """The message that a person reads."""
        lines = [self.subject, ""]
        if self.error:
            lines += [told(self.error), ""]
        lines += [f"{title}: {value:,}{unit}" for title, value, unit in self._figures() if value is not None]
        if self.failed_checks:
            more = len(self.failed_checks) - _MOST_CHECKS
            named = ", ".join(self.failed_checks[:_MOST_CHECKS])
            lines.append(f"Checks that failed: {named}{f' and {more} more' if more > 0 else ''}")
        return "\n".join([*lines, f"Run: {self.run_id}"])

    def document(self) -> str:
        """The same for programs: JSON, without the fields that are unknown."""
        fields = {name: value for name, value in asdict(self).items() if value not in (None, "", ())}
        fields["error"] = told(self.error)
        fields["failed_checks"] = self.failed_checks[:_MOST_CHECKS]
        return json.dumps(fields, default=lambda value: value.isoformat())

    def metrics(self) -> dict[str, tuple[float, str]]:
        """Metric name → value and CloudWatch unit, for all that is known."""
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
    """Sends to a topic and a metrics namespace; either may be "" and is then left out."""

    def __init__(self, clients: Clients, topic_arn: str, namespace: str) -> None:
        """UsageError if topic or namespace is invalid, or the regions disagree. No network is used."""
        if namespace and not _NAMESPACE.fullmatch(namespace):
            raise UsageError(
                f"CRIME_METRICS_NAMESPACE={namespace[:80]} is not a CloudWatch namespace: use letters, digits and "
                "._/#- only, not beginning with AWS/."
            )
        # A missing region is also reported at start.
        region = clients.region if topic_arn or namespace else ""
        if topic_arn:
            _check_topic(topic_arn, region)
        self._clients = clients
        self._topic = topic_arn
        self._namespace = namespace

    def announce(self, report: Report, warn: Callable[[str], None]) -> None:
        """Announce the outcome of a run. If a notice cannot be sent, `warn` gets a sentence and nothing fails."""
        for tell in (self._publish, self._measure):
            try:
                tell(report)
            except CrimeAssetsError as error:
                warn(f"A notice of run {report.run_id} could not be sent; the run itself is not affected: {error}")

    def _publish(self, report: Report) -> None:
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

    def _measure(self, report: Report) -> None:
        if not self._namespace:
            return
        data = [_datum(report, name, value, unit) for name, (value, unit) in report.metrics().items()]
        with explained("put metrics to CloudWatch", "CRIME_METRICS_NAMESPACE"):
            self._clients.client("cloudwatch").put_metric_data(Namespace=self._namespace, MetricData=data)


def _check_topic(arn: str, region: str) -> None:
    found = _TOPIC.fullmatch(arn)
    if found is None:
        raise UsageError(
            f"CRIME_NOTICES_TOPIC={arn[:120]} is not the ARN of a standard SNS topic: it looks like "
            f"arn:aws:sns:{region}:<account>:<name>."
        )
    if found["region"] != region:
        raise UsageError(
            f"CRIME_NOTICES_TOPIC is in {found['region']} but everything else in {region}: name a topic in {region}, "
            "or set AWS_REGION."
        )


def _datum(report: Report, name: str, value: float, unit: str) -> Mapping[str, Any]:
    return {
        "MetricName": name,
        "Dimensions": [{"Name": "City", "Value": report.city}],
        "Timestamp": report.ended_at.astimezone(UTC),
        "Value": value,
        "Unit": unit,
    }


def _attribute(value: str) -> Mapping[str, str]:
    return {"DataType": "String", "StringValue": value}
