"""Telling of alerts: to a topic of SNS, and to an address on the web, behind the published objects.

An alert is told at least once: after a crash perhaps again, with the same `alert_id` and `revision`, by which whoever
is told knows it. Nothing here holds up the stream.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from threading import Event, Thread
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import explained
from crime_assets.core.errors import CrimeAssetsError, LandingError, UsageError
from crime_assets.incidents.chain import Chain

Alert = Mapping[str, Any]
"""A line of the chain of alerts."""

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_TOGETHER = 10
"""Messages that SNS takes in one request."""
_MANY = 20
"""Alerts of one object from which on one message tells of all of them."""
_TIMEOUT = 10.0
_LONGEST_PAUSE = 60.0
_SUBJECT = 100


class Channel(Protocol):
    """Takes alerts to whoever wants them."""

    name: str

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Tell of the alerts of one object. CrimeAssetsError if that failed: it is tried again."""


def told(alert: Alert) -> dict[str, Any]:
    """What a channel says of an alert: nothing that identifies a person or a vehicle."""
    names = ("alert_id", "revision", "rule", "title", "district", "window", "window_start", "raised_at")
    return {name: alert[name] for name in names if alert.get(name) is not None}


class TopicChannel:
    """A standard topic of SNS."""

    name = "topic"

    def __init__(self, clients: Clients, arn: str) -> None:
        """UsageError if the topic is none."""
        if not _TOPIC.fullmatch(arn):
            raise UsageError(
                f"CRIME_ALERTS_TOPIC={arn[:120]} is not the ARN of a standard SNS topic: it looks like "
                "arn:aws:sns:eu-west-1:<account>:<name>."
            )
        self._clients = clients
        self._arn = arn

    def tell(self, alerts: Sequence[Alert]) -> None:
        """See Channel."""
        entries = [_digest(alerts)] if len(alerts) > _MANY else [_entry(alert) for alert in alerts]
        with explained("publish to the topic of alerts", "CRIME_ALERTS_TOPIC"):
            client = self._clients.client("sns")
            for first in range(0, len(entries), _TOGETHER):
                batch = [{**one, "Id": str(n)} for n, one in enumerate(entries[first : first + _TOGETHER])]
                answer = client.publish_batch(TopicArn=self._arn, PublishBatchRequestEntries=batch)
                if answer.get("Failed"):
                    raise CrimeAssetsError(f"SNS refused {len(answer['Failed'])} alerts: they are sent again.")


class WebhookChannel:
    """An address that takes alerts as JSON, signed with a secret that both sides know."""

    name = "webhook"

    def __init__(self, url: str, secret: str) -> None:
        """UsageError if the address is neither https nor on this machine, or there is no secret."""
        parts = urlsplit(url)
        is_here = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if parts.scheme != "https" and not is_here:
            raise UsageError("CRIME_ALERTS_WEBHOOK is no https address: alerts are not sent in the clear.")
        if parts.username or parts.password:
            raise UsageError("CRIME_ALERTS_WEBHOOK has a password in it: sign with CRIME_ALERTS_SECRET instead.")
        if not secret:
            raise UsageError("CRIME_ALERTS_WEBHOOK needs CRIME_ALERTS_SECRET, with which messages are signed.")
        self._url = url
        self._secret = secret.encode()

    def tell(self, alerts: Sequence[Alert]) -> None:
        """See Channel."""
        body = json.dumps({"alerts": [told(alert) for alert in alerts]}).encode()
        signature = hmac.new(self._secret, body, sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Crime-Assets-Signature": f"sha256={signature}"}
        try:
            with requests.post(
                self._url, body, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
            ) as answer:
                status = answer.status_code
        except requests.RequestException as error:
            kind = type(error).__name__
            raise CrimeAssetsError(f"CRIME_ALERTS_WEBHOOK did not answer ({kind}): the alert is sent again.") from error
        if not 200 <= status < 300:
            raise CrimeAssetsError(f"CRIME_ALERTS_WEBHOOK answered {status}: the alert is sent again.")


class Teller:
    """Follows the chain of alerts and tells a channel of each object, on a thread of its own."""

    def __init__(
        self,
        chain: Chain,
        channel: Channel,
        after: int,
        warn: Callable[[str], None],
        *,
        pause: float = 0.2,
    ) -> None:
        """`after` is the number of the last object that was told of; `pause` in seconds between looks."""
        self.name = channel.name
        self.last = after
        """The last object of which the channel was told."""
        self._chain = chain
        self._channel = channel
        self._warn = warn
        self._pause = pause
        self._is_stopped = Event()
        self._thread = Thread(target=self._run, name=f"alerts to the {channel.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being told of now."""
        self._is_stopped.set()
        self._thread.join()

    def _run(self) -> None:
        wait, is_begun = self._pause, False
        while not self._is_stopped.is_set():
            try:
                if not is_begun:
                    # Who was not told for long: what is old was removed, and what comes after it is still to be told.
                    self.last = max(self.last, self._chain.begins() - 1)
                    is_begun = True
                self._tell_all()
                wait = self._pause
            except (CrimeAssetsError, OSError) as error:
                wait = min(max(2 * wait, 1.0), _LONGEST_PAUSE)
                self._warn(str(error))
            self._is_stopped.wait(wait)

    def _tell_all(self) -> None:
        for number, content in self._chain.after(self.last):
            self._channel.tell(self._alerts(number, content))
            self.last = number
            if self._is_stopped.is_set():
                return

    def _alerts(self, number: int, content: bytes) -> list[Alert]:
        """The alerts of an object. CrimeAssetsError if it is damaged: those that come after it wait until it is not."""
        try:
            return [json.loads(line) for line in content.splitlines()]
        except ValueError:
            raise LandingError(
                f"{self._chain.key(number)} is damaged, and nobody is told of what follows it: restore it."
            ) from None


def _entry(alert: Alert) -> dict[str, Any]:
    attributes = {name: str(alert[name]) for name in ("rule", "district", "alert_id", "revision") if alert.get(name)}
    return {
        "Subject": _plain(f"{alert['title']} in district {alert.get('district') or 'unknown'}"),
        "Message": json.dumps(told(alert)),
        "MessageAttributes": {n: {"DataType": "String", "StringValue": value} for n, value in attributes.items()},
    }


def _digest(alerts: Sequence[Alert]) -> dict[str, Any]:
    listed = [{name: alert[name] for name in ("alert_id", "revision", "rule")} for alert in alerts[:500]]
    return {
        "Subject": _plain(f"{len(alerts)} alerts at once"),
        "Message": json.dumps({"count": len(alerts), "alerts": listed}),
    }


def _plain(text: str) -> str:
    """At most 100 characters of ASCII on one line, as SNS wants it."""
    return " ".join(text.encode("ascii", "replace").decode().split())[:_SUBJECT]
