"""What AWS lets readers see otherwise than the policy says: grants and filters changed by hand, workgroups let loose.

Terraform's plan shows what it made itself; grants that somebody added it does not see, and this does. What only
describes tables is not compared. Who administers Lake Formation, and who writes the lake, may do all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import explained
from crime_assets.governance.aws.readers import Cells, Reader
from crime_assets.governance.aws.terraform import MOST_BYTES
from crime_assets.lakehouse.writing.governed import namespace_of

WRITERS = ("crime-assets-code", "crime-assets-job")
"""The roles of deploy/README.md that write the lake."""

Told: TypeAlias = Mapping[str, Any]
"""What a service answers."""
_DESCRIBING = "DESCRIBE"
_EVERY = "ALL_TABLES"
"""The name that Lake Formation gives to a wildcard."""


def drifted(city: str, readers: Sequence[Reader], clients: Clients) -> list[str]:
    """The differences, a sentence each. AwsError if AWS does not say."""
    with explained("compare Lake Formation with the policy", "CRIME_POLICY"):
        return [
            *_defaults(clients.client("lakeformation").get_data_lake_settings()["DataLakeSettings"]),
            *_grants(city, readers, clients),
            *(sentence for reader in readers for cells in reader.cells for sentence in _filter(reader, cells, clients)),
            *(sentence for reader in readers for sentence in _workgroup(reader, clients)),
        ]


def _defaults(settings: Told) -> Iterator[str]:
    for kind in ("Database", "Table"):
        for one in settings.get(f"Create{kind}DefaultPermissions", []):
            who = one["Principal"]["DataLakePrincipalIdentifier"]
            yield f"A new {kind.lower()} is {who}'s by default: empty the default permissions."
    for name in ("AllowExternalDataFiltering", "AllowFullTableExternalDataAccess"):
        if settings.get(name):
            yield f"Engines outside of AWS may read, and filter by themselves: switch {name} off."


def _grants(city: str, readers: Sequence[Reader], clients: Clients) -> Iterator[str]:
    """Grants on the city's databases, and of readers on anything, that are not as they should be."""
    caller = clients.client("sts").get_caller_identity()
    keepers = _keepers(caller, clients.client("lakeformation").get_data_lake_settings()["DataLakeSettings"])
    roles = {f"arn:{_partition(caller)}:iam::{caller['Account']}:role/{one.iam_role}": one for one in readers}
    wanted = {(arn, thing): what for arn, one in roles.items() for thing, what in _wanted(one).items()}
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for one in _all(clients, "list_permissions", "PrincipalResourcePermissions"):
        who, (database, thing) = one["Principal"]["DataLakePrincipalIdentifier"], _named(one["Resource"])
        if who not in keepers and (who in roles or database in (city, namespace_of(city))):
            onwards = [f"{name} with the right to grant it" for name in one.get("PermissionsWithGrantOption", [])]
            found[who, thing] |= {*one.get("Permissions", []), *onwards} - {_DESCRIBING}
    for who, thing in sorted(wanted.keys() | found.keys()):
        wants, has = wanted.get((who, thing), set()), found.get((who, thing), set())
        if more := sorted(has - wants):
            yield f"{who} has {', '.join(more)} on {thing}, and the policy gives none of it: revoke it."
        if less := sorted(wants - has):
            yield f"{who} lacks {', '.join(less)} on {thing}: apply the document again."


def _keepers(caller: Told, settings: Told) -> set[str]:
    """ARNs of who may do all."""
    names = {*WRITERS, *caller["Arn"].split("/")[1:2]}
    admins = {one["DataLakePrincipalIdentifier"] for one in settings.get("DataLakeAdmins", [])}
    return admins | {f"arn:{_partition(caller)}:iam::{caller['Account']}:role/{name}" for name in names}


def _partition(caller: Told) -> str:
    partition: str = caller["Arn"].split(":")[1]
    return partition


def _wanted(reader: Reader) -> dict[str, set[str]]:
    """What a reader is to have, by what it has it on."""
    if reader.is_unrestricted:
        return {f"the tables {name}.*": {"SELECT"} for name in reader.databases}
    return {_filter_name(one.database, one.table, reader.iam_role): {"SELECT"} for one in reader.cells}


def _filter_name(database: str, table: str, name: str) -> str:
    return f"the filter {name} of {database}.{table}"


def _named(resource: Told) -> tuple[str, str]:
    """The database that a resource belongs to, if it does to one, and what a person calls it."""
    ((kind, told),) = resource.items()
    database = told.get("DatabaseName", "")
    match kind:
        case "Database":
            return told["Name"], f"the database {told['Name']}"
        case "DataCellsFilter":
            return database, _filter_name(database, told["TableName"], told["Name"])
        case "Table" | "TableWithColumns":
            table = "*" if "TableWildcard" in told or told.get("Name") == _EVERY else told["Name"]
            excluded = told.get("ColumnWildcard", {}).get("ExcludedColumnNames", [])
            columns = [*told.get("ColumnNames", []), *(f"all but {name}" for name in excluded)]
            kind = "tables" if table == "*" else "table"
            of_columns = f"columns {', '.join(columns)} of " if columns else ""
            return database, f"{of_columns}the {kind} {database}.{table}"
    return database, f"{kind} {told}"


def _filter(reader: Reader, cells: Cells, clients: Clients) -> Iterator[str]:
    table = {"DatabaseName": cells.database, "Name": cells.table}
    named = _filter_name(cells.database, cells.table, reader.iam_role)
    filters = _all(clients, "list_data_cells_filter", "DataCellsFilters", Table=table)
    found = next((one for one in filters if one["Name"] == reader.iam_role), None)
    if found is None:
        yield f"There is no {named.removeprefix('the ')}: apply the document again."
        return
    if found.get("ColumnWildcard") is not None:
        yield f"T{named[1:]} shows all columns: apply the document again."
    elif more := sorted(set(found.get("ColumnNames", [])) - set(cells.columns)):
        yield f"T{named[1:]} also shows {', '.join(more)}: apply the document again."
    elif less := sorted(set(cells.columns) - set(found.get("ColumnNames", []))):
        yield f"T{named[1:]} does not show {', '.join(less)}: apply the document again."
    rows = found.get("RowFilter", {}).get("FilterExpression", "")
    if rows != cells.rows:
        meant = cells.rows or "all"
        yield f"T{named[1:]} is for the rows {rows or 'all'}, not {meant}: apply the document again."


def _workgroup(reader: Reader, clients: Clients) -> Iterator[str]:
    group = clients.client("athena").get_work_group(WorkGroup=reader.iam_role)["WorkGroup"]
    told = group["Configuration"]
    result = told.get("ResultConfiguration", {})
    by = result.get("EncryptionConfiguration", {}).get("EncryptionOption")
    right = {
        "lets questions choose where answers go": told.get("EnforceWorkGroupConfiguration") is True,
        "keeps answers elsewhere": result.get("OutputLocation", "").endswith(f"/{reader.iam_role}/"),
        "does not encrypt answers by a key": by == "SSE_KMS",
        "has another limit of bytes": told.get("BytesScannedCutoffPerQuery") == MOST_BYTES,
    }
    for wrong in (name for name, is_right in right.items() if not is_right):
        yield f"The workgroup {reader.iam_role} {wrong}: apply the document again."


def _all(clients: Clients, operation: str, name: str, **wanted: object) -> Iterator[Told]:
    """All pages of an answer of Lake Formation."""
    call = getattr(clients.client("lakeformation"), operation)
    told = call(**wanted)
    yield from told[name]
    while token := told.get("NextToken"):
        told = call(**wanted, NextToken=token)
        yield from told[name]
