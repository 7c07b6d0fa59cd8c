"""What is said of a migration's run: counts, and the outcome of its verification. No value of a document is in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from crime_assets.cloud.notices import subject_of, told


@dataclass(frozen=True)
class MigrationReport:
    """The outcome of a run that brings documents up to date, verifies and exports them.

    Counts are None if it did not get that far. `error` is one sentence, sent without details of the AWS account.
    """

    city: str
    run_id: str
    succeeded: bool
    ended_at: datetime
    documents: int | None = None
    changes: int | None = None
    """Documents that were read again because their rows had changed."""
    differences: int | None = None
    """Between documents and the database: an export has none."""
    export: str = ""
    """Its id."""
    duration_seconds: float | None = None
    error: str = ""

    @property
    def subject(self) -> str:
        """City and outcome."""
        outcome = "succeeded" if self.succeeded else "failed"
        return subject_of(f"crime-assets {self.city} migration {outcome}")

    @property
    def text(self) -> str:
        """The message that a person reads."""
        lines = [self.subject, ""]
        if self.error:
            lines += [told(self.error), ""]
        counts = {"Documents": self.documents, "Read again": self.changes, "Differences": self.differences}
        lines += [f"{title}: {count:,}" for title, count in counts.items() if count is not None]
        if self.export:
            lines.append(f"Export: {self.export}")
        if self.duration_seconds is not None:
            lines.append(f"Took: {round(self.duration_seconds, 1):,} s")
        return "\n".join([*lines, f"Run: {self.run_id}"])

    def document(self) -> str:
        """The same for programs: JSON, without the fields that are unknown."""
        fields = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        return json.dumps(fields | {"error": told(self.error)}, default=lambda value: value.isoformat())

    def metrics(self) -> dict[str, tuple[float, str]]:
        """Metric name → value and CloudWatch unit. Their names are not those of days, whose alarms wait for days."""
        found: dict[str, tuple[float | None, str]] = {
            "MigrationSucceeded": (int(self.succeeded), "Count"),
            "MigrationFailed": (int(not self.succeeded), "Count"),
            "Documents": (self.documents, "Count"),
            "DocumentsReadAgain": (self.changes, "Count"),
            "Differences": (self.differences, "Count"),
            "MigrationDuration": (self.duration_seconds, "Seconds"),
        }
        return {name: (float(value), unit) for name, (value, unit) in found.items() if value is not None}
