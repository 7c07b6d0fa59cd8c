"""A topic with a queue behind it, as the tests of notices read what was published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from crime_assets.cloud.aws.clients import Clients

NAMESPACE = "CrimeAssets/Test"


@dataclass(frozen=True)
class Listener:
    """Reads what reached a topic and what CloudWatch holds."""

    clients: Clients
    topic: str
    queue: str

    def heard(self) -> list[Mapping[str, Any]]:
        """What was published and not read before: Subject, Message, MessageAttributes."""
        found = []
        while messages := self._receive():
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.clients.client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def measured(self, at: datetime, namespace: str = NAMESPACE) -> dict[str, tuple[float, str]]:
        """Metric → sum and unit, of the hour around `at`, for Chicago."""
        cloudwatch = self.clients.client("cloudwatch")
        found = {}
        for metric in cloudwatch.list_metrics(Namespace=namespace)["Metrics"]:
            assert metric["Dimensions"] == [{"Name": "City", "Value": "chicago"}]
            (point,) = cloudwatch.get_metric_statistics(
                Namespace=namespace,
                MetricName=metric["MetricName"],
                Dimensions=metric["Dimensions"],
                StartTime=at - timedelta(minutes=30),
                EndTime=at + timedelta(minutes=30),
                Period=3600,
                Statistics=["Sum"],
            )["Datapoints"]
            found[metric["MetricName"]] = (point["Sum"], point["Unit"])
        return found

    def _receive(self) -> list[Mapping[str, Any]]:
        answer = self.clients.client("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return list(answer.get("Messages", []))


def listen(clients: Clients) -> Listener:
    """A new topic that a new queue listens to."""
    name = f"days-{datetime.now(UTC):%H%M%S%f}"
    topic = clients.client("sns").create_topic(Name=name)["TopicArn"]
    queue = clients.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    arn = topic.replace(":sns:", ":sqs:")
    clients.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return Listener(clients, topic, queue)
