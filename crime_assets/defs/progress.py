"""A logger that tells a person at a terminal what a run is doing, without printing every event."""

from __future__ import annotations

import logging

import dagster as dg


@dg.logger(config_schema={})
def progress(_: dg.InitLoggerContext) -> logging.Logger:
    """Prints a line for each step that ends, with what it made and how long it took."""
    log = logging.Logger("crime-assets", logging.DEBUG)
    log.addHandler(_Progress())
    return log


class _Progress(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is None:
            if record.levelno >= logging.WARNING:
                say(f"  {record.getMessage()}")
        elif event.event_type_value == "STEP_SUCCESS":
            say(f"  {event.step_key}  {event.step_success_data.duration_ms / 1000:.1f} s")
        elif event.event_type_value == "STEP_FAILURE":
            say(f"  {event.step_key}  failed")


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)
