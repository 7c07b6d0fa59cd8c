"""What the answers of a SODA 2 portal mean: usable, worth another try, or an error that says what to do.

No query is sent from here, and nothing here knows windows or pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

import requests

from crime_assets.core.errors import FeedError, SourceMoved
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Record, Stamps
from crime_assets.sources.feeds.retries import TransientError, asked_wait

_SCHEMA_ERRORS = ("query.soql.no-such-column", "query.soql.type-mismatch")
# 202: the portal is still working on the answer; sodapy would take it for the answer.
_PASSING_STATUSES = frozenset({202, 408, 425, 429})
_LAST_MOMENT = 1 << 37
_FIELD_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_WHOLE_NUMBER = re.compile(r"([0-9]{1,18})(?:[.]0+)?")
# Stamps may have fractions of a second. They are not needed: the lake's sums leave them out too.
_SUM = re.compile(r"([0-9]{1,30})(?:[.][0-9]*)?")


@dataclass(frozen=True)
class Judge:
    """Judges the HTTP answers of a city's portal."""

    city: City
    dataset: str
    app_token: str | None = field(repr=False)

    def judge(self, response: requests.Response, **_: object) -> None:
        """Response hook: TransientError or a FeedError for everything except JSON with status 200.

        sodapy would pass on statuses it does not know, follow redirects with the token, keep only the message of
        an error's body, and raise a bare Exception for HTML.
        """
        status = response.status_code
        if status in _PASSING_STATUSES or status >= 500:
            hint = " without SOCRATA_APP_TOKEN" if status == 429 and not self.app_token else ""
            response.close()
            raise TransientError(f"status {status}{hint}", asked_wait(response.headers.get("Retry-After")))
        if status != 200:
            raise self._refusal(response)
        media_type = response.headers.get("Content-Type", "")
        if not media_type.lower().startswith("application/json"):
            raise TransientError(f"its answer was {self.clean(media_type)!r}, not JSON")
        try:
            response.content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise TransientError("its answer was cut short or garbled") from error
        response.encoding = "utf-8"

    def _refusal(self, response: requests.Response) -> FeedError:
        """The error for an answer that a retry will not improve. Queries fail with `errorCode`, others with `code`."""
        city, dataset = self.city, self.dataset
        status, body = response.status_code, _error_body(response)
        query_error = body.get("errorCode")
        said = self.clean(f"{status} {query_error or body.get('code', '')} {body.get('message', '')}")
        if 300 <= status < 400:
            target = self.clean(response.headers.get("Location", "nowhere"))
            return SourceMoved(
                f"{city.domain} points to {target}: put the new address in crime_assets/sources/cities/{city.name}.py."
            )
        if status == 404:
            return SourceMoved(
                f"{city.domain} has no dataset {dataset} ({said}): find its new id on the portal and put it in "
                f"crime_assets/sources/cities/{city.name}.py."
            )
        if status == 400 and query_error in _SCHEMA_ERRORS:
            return SourceMoved(
                f"The columns of {dataset} on {city.domain} have changed ({said}): compare them with "
                f"crime_assets/sources/cities/{city.name}.py."
            )
        if status in (401, 403):
            remedy = "check SOCRATA_APP_TOKEN" if self.app_token else "set SOCRATA_APP_TOKEN"
            return FeedError(
                f"{city.domain} refuses access to {dataset} ({said}): {remedy}; if the city has retired "
                f"the dataset, put the one that follows it in crime_assets/sources/cities/{city.name}.py."
            )
        return FeedError(f"{city.domain} refuses the query about {dataset} ({said}): asking again will not help.")

    def clean(self, text: str) -> str:
        """A text of the portal made fit for a message: one short printable line without our token."""
        if self.app_token:
            text = text.replace(self.app_token, "***")
        return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:200]


def records(answer: object) -> list[Record]:
    """A page; TransientError if it is not a list of objects."""
    if not isinstance(answer, list) or not all(isinstance(record, dict) for record in answer):
        raise TransientError("its answer was not a list of records")
    return answer


def number(answer: object) -> int:
    """The answer to `count(*) AS n`; TransientError if it is not a count."""
    match answer:
        case [{"n": int() | str() as count}] if str(count).isascii() and str(count).isdigit():
            return int(count)
    raise TransientError("its answer was not a count")


def months(answer: object, sums: Collection[str] = ()) -> dict[date | None, Stamps]:
    """The answer to `date_trunc_ym(…) AS month, count(*) AS n`, and these sums, by month; TransientError if it is
    another.
    """
    found: dict[date | None, Stamps] = {}
    for row in records(answer):
        text = row.get("month")
        try:
            month = None if text is None else date.fromisoformat(str(text)[:10])
        except ValueError as error:
            raise TransientError("its answer was not a count by month") from error
        if month in found or (month is not None and month.day != 1):
            raise TransientError("its answer was not a count by month")
        found[month] = Stamps(number([row]), **{name: _sum(row.get(name)) for name in sums})
    return found


def _sum(value: object) -> int:
    """A sum of whole numbers, which the portal may write with decimals."""
    match = _SUM.fullmatch(str(value))
    if match is None:
        raise TransientError("its answer was not a sum by month")
    return int(match[1])


def known_ids(answer: object, field: str, asked: Collection[int]) -> set[int]:
    """The answer to which of the ids `asked` exist; TransientError if it is anything else."""
    matches = [_WHOLE_NUMBER.fullmatch(str(record.get(field))) for record in records(answer)]
    found = {int(match[1]) for match in matches if match}
    if None in matches or not found.issubset(asked):
        raise TransientError("its answer was not about the ids that were asked for")
    return found


def field_names(answer: object) -> frozenset[str]:
    """The columns in a dataset's metadata, without the portal's own; TransientError if it is no metadata."""
    columns = answer.get("columns") if isinstance(answer, dict) else None
    if not isinstance(columns, list):
        raise TransientError("its answer was not metadata")
    names = [column.get("fieldName") if isinstance(column, dict) else None for column in columns]
    own = [name for name in names if not (isinstance(name, str) and name.startswith(":"))]
    readable = {name for name in own if isinstance(name, str) and _FIELD_NAME.fullmatch(name)}
    if len(readable) < len(own):
        raise FeedError(
            "The portal's metadata name a column in a way that cannot be read: check whether SODA 2 is gone."
        )
    return frozenset(readable)


def rows_updated_at(answer: object) -> int:
    """When the rows of the dataset were changed last, in its metadata; TransientError if they do not say."""
    at = answer.get("rowsUpdatedAt") if isinstance(answer, dict) else None
    if not isinstance(at, int) or not 0 <= at < _LAST_MOMENT:
        raise TransientError("its metadata did not say when the rows were updated")
    return at


def _error_body(response: requests.Response) -> dict[str, object]:
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
