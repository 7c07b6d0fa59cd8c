"""Who may write to a table of documents: one item says it, and has what is known beside it.

A batch of items has no conditions, so who writes must know that it still may. A holder says every 20 seconds that it
lives. It stops by itself before another, who saw nothing of it for two minutes, takes its place. The clocks that count
are each one's own, and they only have to run equally fast.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from crime_assets.core.errors import StoreBusy
from crime_assets.migration.progress import Progress
from crime_assets.migration.stores.batches import key_of
from crime_assets.migration.stores.calls import REQUEST_SECONDS, Calls, code_of

PROGRESS = ("~progress", "-")
"""Of the item."""


def uptime() -> float:
    """Seconds that no change of the clock moves; time asleep counts where the system can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Pace:
    """Seconds between two beats, and without one until another may take over."""

    beat: float = 20.0
    silence: float = 120.0
    look: float = 2.0
    """How often one who waits looks for a beat."""

    @property
    def safe(self) -> float:
        """So long after its last beat a holder may still send: its request ends before the silence does."""
        return self.silence - min(2 * REQUEST_SECONDS, self.silence / 4)


class Lease:
    """One holder's right to write. Its beat is in a thread of its own."""

    def __init__(
        self,
        calls: Calls,
        pace: Pace,
        clock: Callable[[], float] = uptime,
    ) -> None:
        self._calls = calls
        self._pace = pace
        self._clock = clock
        self._holder = secrets.token_hex(8)
        self._token = 0
        self._last = 0.0
        self._is_lost = False
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self) -> Progress:
        """What is known, with a new token. StoreBusy if somebody lives who has it."""
        found = self._seen()
        if found and "holder" in found:
            self._wait_for_silence(found)
        known = _progress(found) or Progress()
        known = replace(known, token=known.token + 1)
        self._token, self._last = known.token, self._clock()
        self._claim(found, known)
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()
        return known

    def check(self) -> None:
        """StoreBusy if nothing may be sent any more."""
        if self._is_lost or self._over.is_set() or self._clock() - self._last > self._pace.safe:
            raise StoreBusy(
                f"Another process has taken the table {self._calls.table}, or may have: this one said for too long "
                "nothing of itself. Let the other finish, then run again; it goes on where it was."
            )

    def check_token(self, progress: Progress) -> None:
        """StoreBusy if it is another holder's."""
        if progress.token != self._token:
            raise StoreBusy(f"The table {self._calls.table} is not held: run the command again.")

    def keep(self, progress: Progress) -> None:
        """Write what is known now. StoreBusy if another has it."""
        self.check_token(progress)
        self.check()
        self._update("SET #told = :told", {":told": {"S": progress.dump()}}, {"#told": "told"})

    def give_back(self) -> None:
        """Another may take it at once; if that cannot be said, only after the silence."""
        self._over.set()
        if self._thread:
            self._thread.join()
        with suppress(Exception):
            self._update("REMOVE #holder", {}, {"#holder": "holder"})

    def _seen(self) -> dict[str, Any]:
        answer = self._calls.ask("get_item", Key=key_of(PROGRESS), ConsistentRead=True)
        found: dict[str, Any] = answer.get("Item", {})
        return found

    def _wait_for_silence(self, found: Mapping[str, Any]) -> None:
        since = self._clock()
        while self._clock() - since < self._pace.silence:
            self._calls.wait(self._pace.look)
            now = self._seen()
            if "holder" not in now:
                raise StoreBusy(f"Another process has just finished with {self._calls.table}: run again.")
            if now["beat"] != found["beat"] or now["holder"] != found["holder"]:
                raise StoreBusy(
                    f"Another process migrates into the table {self._calls.table}: wait until it has finished, or stop "
                    "it, and run again."
                )

    def _claim(self, found: Mapping[str, Any], progress: Progress) -> None:
        """Take it if it is still as it was found."""
        item = {
            **key_of(PROGRESS),
            "token": {"N": str(progress.token)},
            "holder": {"S": self._holder},
            "beat": {"N": "0"},
            "told": {"S": progress.dump()},
        }
        asked: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(#id)"}
        names, values = {"#id": "id"}, {}
        if found:
            names = {"#token": "token", "#beat": "beat"}
            values = {":token": found["token"], ":beat": found["beat"]}
            asked = {"ConditionExpression": "#token = :token AND #beat = :beat", "ExpressionAttributeValues": values}
        try:
            self._calls.ask("put_item", Item=item, ExpressionAttributeNames=names, **asked)
        except Exception as error:
            # It may have been done before, by a request whose answer did not come.
            if code_of(error) != "ConditionalCheckFailedException" or self._seen().get("holder") != item["holder"]:
                raise self._explained(error) from error

    def _beat(self) -> None:
        while not self._over.wait(self._pace.beat):
            begun = self._clock()
            try:
                self._update("ADD #beat :one", {":one": {"N": "1"}}, {"#beat": "beat"})
                self._last = begun
            except StoreBusy:
                self._is_lost = True
                return
            except Exception:  # noqa: S112
                # Whatever it was: `check` counts the seconds.
                continue

    def _update(self, expression: str, values: Mapping[str, Any], names: Mapping[str, str]) -> None:
        try:
            self._calls.ask(
                "update_item",
                Key=key_of(PROGRESS),
                UpdateExpression=expression,
                ConditionExpression="#token = :token",
                ExpressionAttributeNames={"#token": "token", **names},
                ExpressionAttributeValues={":token": {"N": str(self._token)}, **values},
            )
        except Exception as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> Exception:
        if code_of(error) == "ConditionalCheckFailedException":
            return StoreBusy(f"Another process has taken the table {self._calls.table}: let it finish, and run again.")
        return error


def progress_of(calls: Calls) -> Progress | None:
    """What is known, whoever holds the table."""
    answer = calls.ask("get_item", Key=key_of(PROGRESS), ConsistentRead=True)
    return _progress(answer.get("Item", {}))


def _progress(found: Mapping[str, Any]) -> Progress | None:
    return Progress.load(found["told"]["S"]) if found else None
