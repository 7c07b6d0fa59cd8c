"""What AWS lets readers see otherwise than the policy says: grants and filters changed by hand, workgroups let loose.

Terraform's plan shows what it made itself; grants that somebody added it does not see, and this does. What only
describes tables is not compared. Who administers Lake Formation, and who writes the lake, may do all; no reader may.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import explained
from crime_assets.governance.aws.readers import Cells, Reader
from crime_assets.governance.aws.terraform import MOST_BYTES, alias_of
from crime_assets.lakehouse.writing.governed import namespace_of

WRITERS = ("crime-assets-code", "crime-assets-job")
"""The roles of deploy/README.md that write the lake."""

Told: TypeAlias = Mapping[str, Any]
"""What a service answers."""
_DESCRIBING = "DESCRIBE"
_EVERY = "ALL_TABLES"
"""The name that Lake Formation gives to a wildcard."""


def drifted(city: str, place: str, readers: Sequence[Reader], clients: Clients) -> list[str]:
    """The differences, a sentence each; the lake is at `place`, a bucket and a prefix. AwsError if AWS does not say."""
    with explained("compare Lake Formation with the policy", "CRIME_POLICY"):
        settings = clients.client("lakeformation").get_data_lake_settings()["DataLakeSettings"]
        caller = clients.client("sts").get_caller_identity()
        roles = {_role(caller, reader.iam_role): reader for reader in readers}
        return [
            *_defaults(settings),
            *_administering(roles, settings),
            *_grants(_Ours((city, namespace_of(city)), place, clients), roles, _keepers(caller, settings)),
            *(sentence for reader in readers for cells in reader.cells for sentence in _filter(reader, cells, clients)),
            *_workgroups(readers, caller["Account"], clients),
        ]


@dataclass(frozen=True)
class _Ours:
    """What of the account belongs to the city: its databases, and where its files are."""

    databases: tuple[str, ...]
    place: str
    clients: Clients

    def reaches(self, resource: Told) -> bool:
        """Whether a grant on this is one on what is ours."""
        ((kind, told),) = resource.items()
        match kind:
            case "Catalog":
                # Whoever makes a database owns it: also that of masked tables, before it is there.
                return True
            case "DataLocation":
                # A table of one's own that lies there shows what lies there.
                given, own = (f"{name.rpartition(':')[2].rstrip('/')}/" for name in (told["ResourceArn"], self.place))
                return given.startswith(own) or own.startswith(given)
            case "LFTagPolicy":
                terms = told.get("Expression")
                return terms is None or all(
                    any((one["TagKey"], value) in self._tags for value in one["TagValues"]) for one in terms
                )
            case "Database":
                return told["Name"] in self.databases
        return told.get("DatabaseName") in self.databases

    @cached_property
    def _tags(self) -> set[tuple[str, str]]:
        """The tags of the databases, of their tables and of the columns of these, each with its value."""
        ask = self.clients.client("lakeformation").get_resource_lf_tags
        found = set()
        for resource in self._resources():
            told = ask(Resource=resource)
            columns = [tag for column in told.get("LFTagsOnColumns", []) for tag in column["LFTags"]]
            for tag in [*told.get("LFTagOnDatabase", []), *told.get("LFTagsOnTable", []), *columns]:
                found |= {(tag["TagKey"], value) for value in tag["TagValues"]}
        return found

    def _resources(self) -> Iterator[dict[str, dict[str, str]]]:
        glue = self.clients.client("glue")
        for name in self.databases:
            try:
                pages = list(glue.get_paginator("get_tables").paginate(DatabaseName=name))
            except glue.exceptions.EntityNotFoundException:
                continue
            yield {"Database": {"Name": name}}
            for page in pages:
                yield from ({"Table": {"DatabaseName": name, "Name": one["Name"]}} for one in page["TableList"])


def _defaults(settings: Told) -> Iterator[str]:
    for kind in ("Database", "Table"):
        for one in settings.get(f"Create{kind}DefaultPermissions", []):
            who = one["Principal"]["DataLakePrincipalIdentifier"]
            yield f"A new {kind.lower()} is {who}'s by default: empty the default permissions."
    for name in ("AllowExternalDataFiltering", "AllowFullTableExternalDataAccess"):
        if settings.get(name):
            yield f"Engines outside of AWS may read, and filter by themselves: switch {name} off."


def _administering(roles: Mapping[str, Reader], settings: Told) -> Iterator[str]:
    """Readers who may grant themselves all, or see all that there is."""
    for kind in ("DataLakeAdmins", "ReadOnlyAdmins"):
        for one in settings.get(kind, []):
            if (who := one["DataLakePrincipalIdentifier"]) in roles:
                yield f"{who} is a reader, and among the {kind} of Lake Formation: take it out of them."


def _grants(ours: _Ours, roles: Mapping[str, Reader], keepers: set[str]) -> Iterator[str]:
    """Grants on what is the city's, and of readers on anything, that are not as they should be."""
    wanted = {(arn, thing): what for arn, one in roles.items() for thing, what in _wanted(one).items()}
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for one in _all(ours.clients, "list_permissions", "PrincipalResourcePermissions"):
        who, thing = one["Principal"]["DataLakePrincipalIdentifier"], _named(one["Resource"])
        if who in roles or (who not in keepers and ours.reaches(one["Resource"])):
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
    return admins | {_role(caller, name) for name in names}


def _role(caller: Told, name: str) -> str:
    """The ARN of a role of the caller's account."""
    return f"arn:{caller['Arn'].split(':')[1]}:iam::{caller['Account']}:role/{name}"


def _wanted(reader: Reader) -> dict[str, set[str]]:
    """What a reader is to have, by what it has it on."""
    if reader.is_unrestricted:
        return {f"the tables {name}.*": {"SELECT"} for name in reader.databases}
    return {_filter_name(one.database, one.table, reader.iam_role): {"SELECT"} for one in reader.cells}


def _filter_name(database: str, table: str, name: str) -> str:
    return f"the filter {name} of {database}.{table}"


def _named(resource: Told) -> str:
    """What a person calls a resource."""
    ((kind, told),) = resource.items()
    database = told.get("DatabaseName", "")
    match kind:
        case "Catalog":
            return "the catalog"
        case "DataLocation":
            return f"the location {told['ResourceArn']}"
        case "Database":
            return f"the database {told['Name']}"
        case "DataCellsFilter":
            return _filter_name(database, told["TableName"], told["Name"])
        case "Table" | "TableWithColumns":
            table = "*" if "TableWildcard" in told or told.get("Name") == _EVERY else told["Name"]
            excluded = told.get("ColumnWildcard", {}).get("ExcludedColumnNames", [])
            columns = [*told.get("ColumnNames", []), *(f"all but {name}" for name in excluded)]
            kind = "tables" if table == "*" else "table"
            of_columns = f"columns {', '.join(columns)} of " if columns else ""
            return f"{of_columns}the {kind} {database}.{table}"
    return f"{kind} {told}"


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


def _workgroups(readers: Sequence[Reader], account: str, clients: Clients) -> Iterator[str]:
    groups = {reader.iam_role: _workgroup(reader.iam_role, clients) for reader in readers}
    for name, told in groups.items():
        if told is None:
            yield f"There is no workgroup {name}: apply the document again."
            continue
        for wrong in _let_loose(name, told, account, clients):
            yield f"The workgroup {name} {wrong}: apply the document again."
    # Which bucket it is only the document's variables say; all readers have the same.
    places = [_answers_of(told) for told in groups.values() if told is not None]
    buckets = {place.split("/")[2] for place in places if place.startswith("s3://")}
    if len(buckets) > 1:
        yield f"Workgroups keep answers in different buckets ({', '.join(sorted(buckets))}): apply the document again."


def _workgroup(name: str, clients: Clients) -> Told | None:
    """The settings of a workgroup; None if there is none."""
    athena = clients.client("athena")
    try:
        told: Told = athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]
    except athena.exceptions.InvalidRequestException:
        # So Athena refuses a name that it does not know; names of readers are all well-formed.
        return None
    return told


def _let_loose(name: str, told: Told, account: str, clients: Clients) -> Iterator[str]:
    """What a workgroup lets people do that it should not."""
    result = told.get("ResultConfiguration", {})
    encryption = result.get("EncryptionConfiguration", {})
    key = _key(name, clients)
    right = {
        "lets questions choose where answers go": told.get("EnforceWorkGroupConfiguration") is True,
        "keeps answers elsewhere": bool(re.fullmatch(f"s3://[^/]+/{name}/", _answers_of(told))),
        "may keep answers in another account": result.get("ExpectedBucketOwner") == account,
        "does not encrypt answers by a key": encryption.get("EncryptionOption") == "SSE_KMS",
        f"does not encrypt answers by the key {alias_of(name)}": key is not None and encryption.get("KmsKey") == key,
        "has another limit of bytes": told.get("BytesScannedCutoffPerQuery") == MOST_BYTES,
    }
    yield from (wrong for wrong, is_right in right.items() if not is_right)


def _answers_of(told: Told) -> str:
    location: str = told.get("ResultConfiguration", {}).get("OutputLocation", "")
    return location


def _key(name: str, clients: Clients) -> str | None:
    """The ARN of the key of a reader's answers; None if there is none."""
    kms = clients.client("kms")
    try:
        arn: str = kms.describe_key(KeyId=alias_of(name))["KeyMetadata"]["Arn"]
    except kms.exceptions.NotFoundException:
        return None
    return arn


def _all(clients: Clients, operation: str, name: str, **wanted: object) -> Iterator[Told]:
    """All pages of an answer of Lake Formation."""
    call = getattr(clients.client("lakeformation"), operation)
    told = call(**wanted)
    yield from told[name]
    while token := told.get("NextToken"):
        told = call(**wanted, NextToken=token)
        yield from told[name]
