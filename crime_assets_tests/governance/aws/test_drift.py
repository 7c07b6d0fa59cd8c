"""What somebody changed on AWS by hand is found; what the document made is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import AwsError
from crime_assets.governance.aws.drift import drifted
from crime_assets.governance.aws.readers import readers
from crime_assets.governance.policy import parse_policy
from crime_assets.profiles import Settings, open_profile
from crime_assets_tests.governance.aws.compiled import ACCOUNT, PROJECT, calls
from crime_assets_tests.governance.aws.test_profile import AWS
from crime_assets_tests.governance.policies import TYPES

SHIPPED = PROJECT / "deploy" / "governance" / "policy.toml"
COMMANDER = f"arn:aws:iam::{ACCOUNT}:role/crime-commander-011"
ROLES = {"crime-commander-011", "crime-analyst", "crime-steward"}
STRANGER = f"arn:aws:iam::{ACCOUNT}:role/somebody"
RESULT = {
    "OutputLocation": "s3://city-results/crime-commander-011/",
    "ExpectedBucketOwner": ACCOUNT,
    "EncryptionConfiguration": {
        "EncryptionOption": "SSE_KMS",
        "KmsKey": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/crime-commander-011",
    },
}
ANOTHER_KEY = {"EncryptionOption": "SSE_KMS", "KmsKey": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/of-somebody"}
OPEN = {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": [{"TagKey": "open", "TagValues": ["yes", "maybe"]}]}}
TABLE = {"Table": {"DatabaseName": "chicago", "Name": "crimes"}}
CRIMES = {"TableWithColumns": {"DatabaseName": "chicago", "Name": "crimes", "ColumnWildcard": {}}}


class Account:
    """Moto, with the document applied. Filters, which it does not have, are kept here; pages of one entry each."""

    def __init__(self) -> None:
        self.clients = Clients("us-east-1")
        self.filters: list[dict[str, Any]] = []
        lake = self.clients.client("lakeformation")
        lake.meta.events.register("before-call.lakeformation.ListDataCellsFilter", self._listed)
        self.clients.client("kms").meta.events.register("before-call.kms.DescribeKey", _described)
        for service, operation, told in calls():
            if operation == "CreateDataCellsFilter":
                self.filters.append(deepcopy(told["TableData"]))
            elif operation in ("GrantPermissions", "PutDataLakeSettings", "CreateWorkGroup"):
                client = self.clients.client(service)
                client._make_api_call(operation, told)

    def _listed(self, params: dict[str, Any], **_: object) -> tuple[object, dict[str, Any]]:
        asked = json.loads(params["body"])
        table = asked["Table"]
        of_it = [
            one
            for one in self.filters
            if (one["DatabaseName"], one["TableName"]) == (table["DatabaseName"], table["Name"])
        ]
        n = int(asked.get("NextToken", 0))
        more = {"NextToken": str(n + 1)} if n + 1 < len(of_it) else {}
        return _answer(200, DataCellsFilters=of_it[n : n + 1], **more)

    def filter(self, name: str, table: str) -> dict[str, Any]:
        return next(one for one in self.filters if (one["Name"], one["TableName"]) == (name, table))

    def grant(self, who: str, resource: dict[str, Any], *permissions: str, onwards: bool = False) -> None:
        more = {"PermissionsWithGrantOption": list(permissions)} if onwards else {}
        self.clients.client("lakeformation").grant_permissions(
            Principal={"DataLakePrincipalIdentifier": who}, Resource=resource, Permissions=list(permissions), **more
        )

    def drifted(self) -> list[str]:
        policy = parse_policy(SHIPPED.read_bytes())
        return drifted("chicago", "city-lake/lake", readers(policy, TYPES), self.clients)


def _answer(status: int, **told: object) -> tuple[object, dict[str, Any]]:
    """What botocore takes as the answer of a call that it then does not make."""
    from botocore.awsrequest import AWSResponse

    return AWSResponse("", status, {}, None), told


def _described(params: dict[str, Any], **_: object) -> tuple[object, dict[str, Any]]:
    """The keys that the document makes, by their aliases: moto chooses its own ids."""
    role = json.loads(params["body"])["KeyId"].removeprefix("alias/crime-assets/")
    if role not in ROLES:
        return _answer(400, Error={"Code": "NotFoundException", "Message": "no"})
    return _answer(200, KeyMetadata={"KeyId": role, "Arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{role}"})


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Account()


def test_as_it_was_made_nothing_has_drifted(account: Account) -> None:
    assert account.drifted() == []


def _settings(account: Account, **told: object) -> None:
    lake = account.clients.client("lakeformation")
    lake.put_data_lake_settings(DataLakeSettings={**lake.get_data_lake_settings()["DataLakeSettings"], **told})


def _everybody(account: Account) -> None:
    by = {"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}
    _settings(account, CreateTableDefaultPermissions=[by])


def _workgroup(account: Account, **changed: object) -> None:
    """Made anew: moto does not change one."""
    athena, name = account.clients.client("athena"), "crime-commander-011"
    told = athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]
    athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)
    athena.create_work_group(Name=name, Configuration={**told, **changed})


def _unknown(params: dict[str, Any], **_: object) -> tuple[object, dict[str, Any]] | None:
    """What Athena says of a workgroup that it does not have."""
    if json.loads(params["body"])["WorkGroup"] != "crime-commander-011":
        return None
    return _answer(400, Error={"Code": "InvalidRequestException", "Message": "WorkGroup is not found."})


def _tag(account: Account, name: str, value: str) -> None:
    """Put a tag on the city's table; moto must know one of its database, too."""
    glue, lake = account.clients.client("glue"), account.clients.client("lakeformation")
    glue.create_database(DatabaseInput={"Name": "chicago"})
    glue.create_table(DatabaseName="chicago", TableInput={"Name": "crimes"})
    lake.create_lf_tag(TagKey="owner", TagValues=["city"])
    lake.create_lf_tag(TagKey=name, TagValues=[value])
    for resource, tag in (({"Database": {"Name": "chicago"}}, ("owner", "city")), (TABLE, (name, value))):
        lake.add_lf_tags_to_resource(Resource=resource, LFTags=[{"TagKey": tag[0], "TagValues": [tag[1]]}])


# fmt: off
CHANGES: dict[str, tuple[Callable[[Account], object], str]] = {
    "a grant is added": (
        lambda one: one.grant(STRANGER, CRIMES, "SELECT"), "somebody has SELECT on the table chicago.crimes"
    ),
    "a reader gets the whole table": (
        lambda one: one.grant(COMMANDER, CRIMES, "SELECT"), "crime-commander-011 has SELECT"
    ),
    "a reader gets columns": (
        lambda one: one.grant(
            COMMANDER,
            {"TableWithColumns": {"DatabaseName": "chicago", "Name": "crimes", "ColumnNames": ["record_md5"]}},
            "SELECT",
        ),
        "columns record_md5 of the table chicago.crimes",
    ),
    "a reader gets tables by a tag": (
        lambda one: one.grant(
            COMMANDER,
            {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": [{"TagKey": "open", "TagValues": ["yes"]}]}},
            "SELECT",
        ),
        "has SELECT on LFTagPolicy",
    ),
    "IAMAllowedPrincipals has a table again": (
        lambda one: one.grant("IAM_ALLOWED_PRINCIPALS", CRIMES, "ALL"),
        "IAM_ALLOWED_PRINCIPALS has ALL on the table chicago.crimes",
    ),
    "IAMAllowedPrincipals has new tables again": (_everybody, "A new table is IAM_ALLOWED_PRINCIPALS's by default"),
    "other engines may read": (
        lambda one: _settings(one, AllowExternalDataFiltering=True), "switch AllowExternalDataFiltering off"
    ),
    "a filter is widened": (
        lambda one: one.filter("crime-commander-011", "crimes").update(RowFilter={"AllRowsWildcard": {}}),
        "is for the rows all, not \"district\" IN ('011')",
    ),
    "a column is added": (
        lambda one: one.filter("crime-commander-011", "crimes")["ColumnNames"].append("record_md5"),
        "also shows record_md5",
    ),
    "all columns are shown": (
        lambda one: one.filter("crime-commander-011", "crimes").update(ColumnNames=[], ColumnWildcard={}),
        "shows all columns",
    ),
    "a filter is gone": (
        lambda one: one.filters.remove(one.filter("crime-commander-011", "crimes")),
        "There is no filter crime-commander-011 of chicago.crimes",
    ),
    "a workgroup is let loose": (
        lambda one: _workgroup(one, EnforceWorkGroupConfiguration=False),
        "lets questions choose where answers go",
    ),
    "answers go elsewhere": (
        lambda one: _workgroup(one, ResultConfiguration={**RESULT, "OutputLocation": "s3://city-results/all/"}),
        "keeps answers elsewhere",
    ),
    "answers go below another prefix": (
        lambda one: _workgroup(
            one, ResultConfiguration={**RESULT, "OutputLocation": "s3://city-results/all/crime-commander-011/"}
        ),
        "keeps answers elsewhere",
    ),
    "answers go to another bucket": (
        lambda one: _workgroup(
            one, ResultConfiguration={**RESULT, "OutputLocation": "s3://others/crime-commander-011/"}
        ),
        "keep answers in different buckets (city-results, others)",
    ),
    "answers may go to another account": (
        lambda one: _workgroup(one, ResultConfiguration={**RESULT, "ExpectedBucketOwner": "210987654321"}),
        "may keep answers in another account",
    ),
    "answers have another key": (
        lambda one: _workgroup(one, ResultConfiguration={**RESULT, "EncryptionConfiguration": ANOTHER_KEY}),
        "does not encrypt answers by the key alias/crime-assets/crime-commander-011",
    ),
    "a workgroup is gone": (
        lambda one: one.clients.client("athena").meta.events.register("before-call.athena.GetWorkGroup", _unknown),
        "There is no workgroup crime-commander-011: apply the document again.",
    ),
    "a stranger gets tables by a tag": (
        lambda one: (_tag(one, "open", "yes"), one.grant(STRANGER, OPEN, "SELECT")),
        "somebody has SELECT on LFTagPolicy",
    ),
    "a stranger may have tables where the lake lies": (
        lambda one: one.grant(
            STRANGER, {"DataLocation": {"ResourceArn": "arn:aws:s3:::city-lake/"}}, "DATA_LOCATION_ACCESS"
        ),
        "somebody has DATA_LOCATION_ACCESS on the location arn:aws:s3:::city-lake/",
    ),
    "a stranger may have tables over a part of the lake": (
        lambda one: one.grant(
            STRANGER, {"DataLocation": {"ResourceArn": "arn:aws:s3:::city-lake/lake/x"}}, "DATA_LOCATION_ACCESS"
        ),
        "DATA_LOCATION_ACCESS",
    ),
    "a stranger makes databases": (
        lambda one: one.grant(STRANGER, {"Catalog": {}}, "CREATE_DATABASE"),
        "somebody has CREATE_DATABASE on the catalog",
    ),
    "a reader administers": (
        lambda one: _settings(one, DataLakeAdmins=[{"DataLakePrincipalIdentifier": COMMANDER}]),
        "crime-commander-011 is a reader, and among the DataLakeAdmins of Lake Formation",
    ),
}
# fmt: on


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found(account: Account, change: str) -> None:
    make, said = CHANGES[change]
    make(account)
    (sentence,) = account.drifted()
    assert said in sentence


def test_a_grant_that_was_revoked_is_missed(account: Account) -> None:
    lake = account.clients.client("lakeformation")
    (told,) = [
        one for _, operation, one in calls()
        if operation == "GrantPermissions" and one["Principal"]["DataLakePrincipalIdentifier"] == COMMANDER
        and "DataCellsFilter" in one["Resource"]
    ]  # fmt: skip
    lake.revoke_permissions(**told)
    (sentence,) = account.drifted()
    assert sentence.startswith(f"{COMMANDER} lacks SELECT on the filter crime-commander-011 of chicago.crimes")


def test_who_may_pass_a_grant_on_is_found(account: Account) -> None:
    account.grant(STRANGER, CRIMES, "SELECT", onwards=True)
    (sentence,) = account.drifted()
    assert "SELECT with the right to grant it" in sentence


def test_what_is_not_ours_is_left_alone(account: Account) -> None:
    """Other lakes of the account, and who administers or writes this one."""
    account.grant(STRANGER, {"Database": {"Name": "boston"}}, "ALL")
    account.grant(STRANGER, {"DataLocation": {"ResourceArn": "arn:aws:s3:::city-lakes/lake"}}, "DATA_LOCATION_ACCESS")
    _tag(account, "open", "no")
    account.grant(STRANGER, OPEN, "SELECT")
    account.grant(f"arn:aws:iam::{ACCOUNT}:role/admin", CRIMES, "ALL")
    account.grant(f"arn:aws:iam::{ACCOUNT}:role/crime-assets-job", CRIMES, "ALL")
    assert account.drifted() == []


def test_a_refusal_is_said(account: Account) -> None:
    def refused(**_: object) -> tuple[object, dict[str, Any]]:
        return _answer(400, Error={"Code": "AccessDeniedException", "Message": "no"})

    account.clients.client("athena").meta.events.register("before-call.athena.GetWorkGroup", refused)
    with pytest.raises(AwsError, match="AWS refused to compare Lake Formation with the policy"):
        account.drifted()


def test_the_profile_compares_its_policy(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "policy.toml"
    own.write_bytes(SHIPPED.read_bytes())
    own.chmod(0o600)
    account.clients.client("s3").create_bucket(Bucket="city-lake")
    settings = Settings.from_environment({**AWS, "CRIME_POLICY": str(own), "CRIME_HOME": str(tmp_path / "home")})
    profile = open_profile(settings)
    profile.clients = account.clients  # type: ignore[attr-defined]
    assert profile.drift() == []
    account.grant(STRANGER, CRIMES, "SELECT")
    assert len(profile.drift()) == 1
    monkeypatch.setattr("crime_assets.governance.governed.masked_by", lambda *_: {"crimes_clerk": None})
    assert [one for one in profile.drift() if "chicago_governed.crimes_clerk is of no role that masks" in one]
    without = open_profile(Settings.from_environment({**AWS, "CRIME_HOME": str(tmp_path / "home")}))
    assert without.drift() == []
