"""The steps done by a job elsewhere, through Dagster Pipes: request and answer go through the landing bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from secrets import token_hex
from typing import Any

import dagster as dg
from dagster_aws.pipes import PipesS3ContextInjector, PipesS3MessageReader
from dagster_pipes import PipesContextData, PipesParams

from crime_assets.cloud.aws.errors import AwsError, explained
from crime_assets.core.insights import Insight
from crime_assets.defs.work import messages, steps
from crime_assets.defs.work.launchers import Launcher
from crime_assets.defs.work.steps import InsightResult
from crime_assets.engines import Engine
from crime_assets.lakehouse.writing.history import HistoryResult
from crime_assets.lakehouse.writing.merge import MergeResult
from crime_assets.profiles import Profile
from crime_assets.profiles.settings import Place
from crime_assets.sources.feeds import Feed

_READ_EVERY_SECONDS = 1


class Remote:
    """Work done by the job that a launcher starts, one job for each step; `place` is where the two ends meet."""

    def __init__(self, profile: Profile, launcher: Launcher, s3: Any, place: Place) -> None:
        self._profile = profile
        self._launcher = launcher
        self._s3 = s3
        self._place = place

    def history(self, context: dg.AssetExecutionContext, feed: Feed, before: date) -> HistoryResult:
        """Load all that the source holds with a change stamp before `before`, once."""
        return messages.load_result(self._ask(context, "history", [before]), HistoryResult)

    def merge(self, context: dg.AssetExecutionContext, days: Sequence[date]) -> MergeResult:
        """Merge what has landed for these change days as one set, and record that it is merged."""
        # Here it is known at once if something is missing; in the job, only after a minute.
        steps.inventories_of(self._profile, days)
        return messages.load_result(self._ask(context, "merge", days), MergeResult)

    def insight(
        self, context: dg.AssetExecutionContext, engine: Engine, insight: Insight, days: Sequence[date]
    ) -> InsightResult:
        """Compute an insight for these as-of days, and for those that late changes have made stale."""
        return messages.load_insight(self._ask(context, "insight", days, insight.name))

    def _ask(
        self, context: dg.AssetExecutionContext, step: str, days: Sequence[date], insight: str = ""
    ) -> Mapping[str, Any]:
        """The job's answer. Raises the job's error, or AwsError if it ended without an answer."""
        settings, secrets = messages.settings_of(self._profile.settings)
        wanted = messages.Request(step, context.run.run_id, days, insight, settings, secrets)
        # For this job alone, also if a step is retried.
        prefix = "/".join([*filter(None, [self._place.prefix]), "pipes", token_hex(16)])
        injector = _Injector(bucket=self._place.bucket, client=self._s3, key_prefix=prefix)
        reader = _Reader(bucket=self._place.bucket, client=self._s3, key_prefix=prefix)
        reason = "it ended well"
        try:
            with explained(f"run the {self._launcher.name}", "CRIME_SPARK_JOB"):
                extras = {"request": messages.dump_request(wanted)}
                context.add_output_metadata(self._launcher.run(context, injector, reader, extras))
        except RuntimeError as error:
            # What both clients raise for a job that failed.
            reason = " ".join(str(error).split()).rstrip(": ")
        self._profile.lake.refresh()
        if reader.answer is None:
            raise AwsError(f"The {self._launcher.name} gave no answer ({reason}): see its log, then run again.")
        return reader.answer


class _Injector(PipesS3ContextInjector):
    """Writes under a prefix, and removes everything there when the job has ended, the job's messages too."""

    @contextmanager
    def inject_context(self, context: PipesContextData) -> Iterator[PipesParams]:
        key = f"{self.key_prefix}/context.json"
        with _explained(self.bucket):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(context).encode())
        try:
            yield {"bucket": self.bucket, "key": key}
        finally:
            # Leftovers matter less than the job's result.
            with suppress(AwsError), _explained(self.bucket):
                found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.key_prefix}/")
                for item in found.get("Contents", []):
                    self.client.delete_object(Bucket=self.bucket, Key=item["Key"])


class _Reader(PipesS3MessageReader):
    """Reads under a prefix, also the answer of a job that failed."""

    def __init__(self, *, bucket: str, client: Any, key_prefix: str) -> None:
        super().__init__(interval=_READ_EVERY_SECONDS, bucket=bucket, client=client)
        self._key_prefix = key_prefix
        self._handler: dg.PipesMessageHandler | None = None

    @property
    def answer(self) -> Mapping[str, Any] | None:
        """The last answer of the job."""
        answers = self._handler.get_custom_messages() if self._handler is not None else ()
        return answers[-1] if answers else None

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[PipesParams]:
        self._handler = handler
        with super().read_messages(handler) as params:
            yield params

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        with super().get_params() as params:
            yield {**params, "key_prefix": self._key_prefix}


def _explained(bucket: str) -> AbstractContextManager[None]:
    return explained(f"exchange messages with the job over the bucket {bucket}", "CRIME_LANDING")
