"""The policy that the tests of this room share, and parts of it."""

from __future__ import annotations

from datetime import date

from crime_assets.governance.policy import Policy, parse_policy
from crime_assets.governance.scopes import Scope, scope_of
from crime_assets.lakehouse.schema import CRIMES, published
from crime_assets_tests.build import CHICAGO

TODAY = date(2026, 6, 1)
TYPES = {column.name: column.type for column in published(CRIMES, CHICAGO)}

TEXT = """
version = 1
city = "chicago"

[classes]
open = ["occurred_on", "month", "hour", "iso_weekday", "time_of_day", "iucr", "primary_type", "arrest", "domestic",
        "district", "community_area", "ward", "fbi_code", "offense_class", "is_index", "is_violent", "is_property",
        "change_day"]
detail = ["id", "occurred_at", "beat", "block", "description", "location_description", "updated_on"]
identity = ["case_number"]
place = ["latitude", "longitude", "x_coordinate", "y_coordinate"]
origin = ["ingested_at"]
digest = ["record_md5"]

[masks]
token = { kind = "keyed_hash", length = 16 }
cell = { kind = "h3_center", resolution = 8 }
day = { kind = "truncate", to = "day" }

[roles.commander]
tables = ["crimes", "crimes_superseded", "insights"]
rows = "district IN (:districts)"
clear = ["open", "detail", "identity", "origin"]
mask = { place = "cell" }

[roles.desk]
tables = ["crimes", "insights"]
rows = "district IN (:districts) AND domestic = FALSE"
clear = ["open", "origin"]
mask = { identity = "token", place = "cell", occurred_at = "day" }

[roles.analyst]
tables = ["crimes", "insights"]
clear = ["open", "origin"]
mask = { identity = "token", place = "cell", occurred_at = "day" }

[roles.steward]
tables = ["*"]
clear = ["*"]

[principals."p.diaz"]
role = "commander"
districts = ["011"]
os_user = "pdiaz"
expires = 2027-06-30

[principals.desk]
role = "desk"
districts = ["011", "025"]

[principals.ana]
role = "analyst"
os_user = "ana"

[principals.keeper]
role = "steward"
"""

AUDITED = f"""{TEXT}
[roles.auditor]
tables = ["audit", "access_review"]

[principals.auditor]
role = "auditor"
os_user = "auditor"
"""
"""The same with somebody who reads the trail, and sees no crimes."""


def policy(text: str = TEXT) -> Policy:
    """The policy of a text."""
    return parse_policy(text.encode())


def scope(principal: str, text: str = TEXT) -> Scope:
    """What a principal sees by it."""
    found = policy(text)
    return scope_of(found, found.principal(principal, TODAY), TYPES)
