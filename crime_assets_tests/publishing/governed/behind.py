"""Pages behind a login, on a lake that was laid by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from starlette.testclient import TestClient

from crime_assets.cli.output import write_answer
from crime_assets.governance.service import Queries
from crime_assets.governance.trail import Entry
from crime_assets.profiles import Profile, Settings
from crime_assets.publishing.governed.app import GovernedPages
from crime_assets_tests.governance.worlds import LAST, MERGED

ADDRESS = "https://localhost"
SAME_SITE = {"sec-fetch-site": "same-origin"}

POLICY = """
version = 1
city = "chicago"

[classes]
open = ["occurred_on", "month", "hour", "iso_weekday", "time_of_day", "iucr", "primary_type", "arrest", "domestic",
        "district", "beat", "community_area", "ward", "fbi_code", "offense_class", "is_index", "is_violent",
        "is_property", "change_day", "ingested_at"]
detail = ["id", "occurred_at", "block", "description", "location_description", "updated_on"]
identity = ["case_number"]
place = ["latitude", "longitude", "x_coordinate", "y_coordinate"]

[masks]
token = { kind = "keyed_hash", length = 16 }
cell = { kind = "h3_center", resolution = 8 }

[roles.commander]
tables = ["crimes", "crimes_superseded", "insights"]
rows = "district IN (:districts)"
clear = ["open", "detail", "identity", "place"]

[roles.desk]
tables = ["crimes", "insights"]
rows = "district IN (:districts) AND domestic = FALSE"
clear = ["open"]
mask = { identity = "token", place = "cell" }

[roles.watch]
tables = ["crimes", "crimes_superseded", "insights"]
rows = "district = '011' AND arrest = TRUE"
clear = ["open", "detail"]

[roles.narrow]
tables = ["crimes", "insights"]
clear = ["detail"]

[roles.steward]
tables = ["*"]
clear = ["*"]

[roles.careful]
tables = ["*"]
clear = ["*"]
purpose_required = true

[principals.diaz]
role = "commander"
districts = ["011"]

[principals.twelve]
role = "commander"
districts = ["012"]

[principals.desk]
role = "desk"
districts = ["011"]

[principals.watch]
role = "watch"

[principals.narrow]
role = "narrow"

[principals.keeper]
role = "steward"

[principals.careful]
role = "careful"
"""
SCOPES = ("diaz", "desk", "watch")
"""Principals who see the open district only, each in another way."""


class _Laid(Profile):
    """A profile whose lake was not filled by runs."""

    def _merged(self) -> list[date]:
        return MERGED


class Behind:
    """The pages of a lake below `place`; `later` moves their clock."""

    def __init__(self, place: Path, policy: str = POLICY, secret: str = "", stream: str = "") -> None:
        self.policy = place / "policy.toml"
        self.put(policy)
        self.now = datetime(LAST.year, LAST.month, LAST.day, 23, 45, tzinfo=UTC)
        settings = Settings(home=place / "lake", policy=self.policy, oidc_secret=secret, stream=stream)
        self.profile = _Laid(settings, lambda: self.now)
        access = self.profile.access
        assert access is not None
        self.access = access
        scratch = place / "scratch"
        scratch.mkdir(exist_ok=True)
        queries = Queries(access, write_answer, scratch)
        self.pages = GovernedPages(self.profile, access, queries, ADDRESS)
        self.app = self.pages.app()

    def put(self, policy: str) -> None:
        """Put a policy in force."""
        self.policy.write_text(policy)
        self.policy.chmod(0o600)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    def token(self, principal: str) -> str:
        return self.access.tokens.make(principal, self.profile.today, 30)

    def client(self) -> TestClient:
        """A browser that is not logged in."""
        return TestClient(self.app, base_url=ADDRESS, follow_redirects=False)

    def logged_in(self, principal: str) -> TestClient:
        """A browser of somebody."""
        client = self.client()
        answer = client.post("/login/token", data={"token": self.token(principal)}, headers=SAME_SITE)
        assert answer.status_code == 303, answer.text
        return client

    def lines(self) -> list[Entry]:
        return list(self.access.trail.entries())

    def events(self, *fields: str) -> Sequence[tuple[object, ...]]:
        """The events on the trail, with some fields."""
        return [(entry.event, *(entry.fields.get(name) for name in fields)) for entry in self.lines()]
