"""A map service of ArcGIS Server on the loopback, laid out as that of Washington, D.C.; no expectation of any test."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from crime_assets.sources.cities import City
from crime_assets_tests.sources.feeds.soda_server import Answer, Request, SodaServer

SERVICE = "dcgis/rest/services/FEEDS/MPD/MapServer"
DATES = ("REPORT_DAT", "START_DATE", "END_DATE")
Row = dict[str, Any]


def utc(text: str) -> int:
    """A moment in UTC as the server gives it: milliseconds since 1970."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def incident(ccn: int, reported: str = "2026-07-01T16:01:39", **other: Any) -> Row:
    """A record as the service gives it, without its number of the row; numbers and texts as seen in 2024."""
    return {
        "CCN": str(ccn),
        "REPORT_DAT": utc(reported),
        "SHIFT": "DAY",
        "METHOD": "OTHERS",
        "OFFENSE": "THEFT F/AUTO",
        "BLOCK": "3000 - 3099 BLOCK OF SEDGWICK STREET NW",
        "XBLOCK": 394578.43,
        "YBLOCK": 141325.32,
        "WARD": "3",
        "ANC": "3C",
        "DISTRICT": "2",
        "PSA": "203",
        "NEIGHBORHOOD_CLUSTER": "Cluster 12",
        "BLOCK_GROUP": "000600 1",
        "CENSUS_TRACT": "000600",
        "VOTING_PRECINCT": "Precinct 27",
        "LATITUDE": 38.9398002378,
        "LONGITUDE": -77.0625358005,
        "BID": None,
        "START_DATE": utc(reported) - 459_000,
        "END_DATE": utc(reported) - 399_000,
        "OCTO_RECORD_ID": None,
        **other,
    }


@dataclass
class ServedLayer:
    """A layer, its rows under their numbers, and what it says of itself."""

    name: str
    rows: dict[int, Row]
    edited: int | None = None
    limit: int = 1000
    has_statistics: bool = True
    fields: list[str] = field(default_factory=lambda: [*incident(0)])

    def build(self, rows: Sequence[Row], first: int = 1) -> None:
        """Other rows, numbered anew from `first`."""
        self.rows = {first + 2 * place: row for place, row in enumerate(rows)}

    def described(self) -> Row:
        kinds = {
            "CCN": "esriFieldTypeString",
            "LATITUDE": "esriFieldTypeDouble",
            **dict.fromkeys(DATES, "esriFieldTypeDate"),
        }
        fields = [{"name": name, "type": kinds.get(name, "esriFieldTypeString")} for name in self.fields]
        own = [{"name": "OBJECTID", "type": "esriFieldTypeOID"}, {"name": "SHAPE", "type": "esriFieldTypeGeometry"}]
        editing = {"editingInfo": {"lastEditDate": self.edited}} if self.edited is not None else {}
        says = {"maxRecordCount": self.limit, "supportsStatistics": self.has_statistics}
        return {"name": self.name, "type": "Feature Layer", "fields": [*own, *fields], **says, **editing}

    def asked(self, params: dict[str, str]) -> Row:
        """What a query gives."""
        after = re.fullmatch(r"OBJECTID>(-?[0-9]+)", params["where"])
        rows = [(number, row) for number, row in sorted(self.rows.items()) if not after or number > int(after[1])]
        if params.get("returnCountOnly") == "true":
            return {"count": len(rows)}
        if "outStatistics" in params:
            return {"features": [{"attributes": self._statistics(json.loads(params["outStatistics"]))}]}
        assert (params["outFields"], params["orderByFields"], params["returnGeometry"]) == ("*", "OBJECTID", "false")
        most = min(int(params["resultRecordCount"]), self.limit)
        features = [{"attributes": {"OBJECTID": number, **row}} for number, row in rows[:most]]
        return {"features": features, **({"exceededTransferLimit": True} if len(rows) > most else {})}

    def _statistics(self, wanted: list[dict[str, str]]) -> Row:
        rows = [{"OBJECTID": number, **row} for number, row in self.rows.items()]
        found = {}
        for one in wanted:
            values = [row[one["onStatisticField"]] for row in rows if row[one["onStatisticField"]] is not None]
            how = {"count": len, "min": min, "max": max}[one["statisticType"]]
            found[one["outStatisticFieldName"]] = how(values) if values else None
        return found


class ArcgisServer(SodaServer):
    """The service, with layers by number; it misbehaves as `SodaServer` does."""

    def __init__(self, layers: dict[int, ServedLayer]) -> None:
        super().__init__([])
        self.layers = layers
        # One who has read enough hangs up; that is no news.
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]

    def city(self, like: City) -> City:
        """That city, published here."""
        return dataclasses.replace(like, domain=self.domain)

    def queries(self, since: int = 0) -> list[dict[str, str]]:
        """The queries for records, after so many requests."""
        return [one.params for one in self.requests[since:] if "resultRecordCount" in one.params]

    def _answer(self, request: Request) -> Answer:
        return Answer(body=json.dumps(self._said(request)).encode("utf-8", "surrogatepass"))

    def _said(self, request: Request) -> Row:
        assert request.params["f"] == "json"
        if request.path == f"/{SERVICE}":
            listed = [{"id": number, "name": layer.name} for number, layer in self.layers.items()]
            return {"layers": [*listed, {"id": 20, "name": "Sex Offender Registry"}], "tables": []}
        match = re.fullmatch(rf"/{SERVICE}/([0-9]+)(/query)?", request.path)
        layer = self.layers.get(int(match[1])) if match else None
        if match is None or layer is None:
            return {"error": {"code": 404, "message": "Layer not found", "details": []}}
        return layer.asked(request.params) if match[2] else layer.described()
