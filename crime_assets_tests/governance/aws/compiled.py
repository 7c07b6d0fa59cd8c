"""The Terraform document of the policy that people copy, and what it says with names put in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[3]
COMMITTED = PROJECT / "deploy" / "aws" / "governance" / "governance.tf.json"
ACCOUNT = "123456789012"
VARIABLES: dict[str, Any] = {
    "lake_bucket": "city-lake",
    "results_bucket": "city-results",
    "trail_bucket": "city-trail",
    "administrators": [f"arn:aws:iam::{ACCOUNT}:role/admin"],
    "auditors": [f"arn:aws:iam::{ACCOUNT}:role/auditor"],
    "trust": {
        "principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/city"},
        "action": "sts:AssumeRoleWithSAML",
        "condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
    },
}
_NAMES = {
    "data.aws_caller_identity.here.account_id": ACCOUNT,
    "data.aws_partition.here.partition": "aws",
    "data.aws_region.here.name": "us-east-1",
    "var.lake_prefix": "lake",
    **{f"var.{name}": value for name, value in VARIABLES.items() if isinstance(value, str)},
    **{f"aws_s3_bucket.{name}.id": f"city-{name}" for name in ("results", "trail")},
    "aws_kms_key.lake.arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/lake",
    "aws_iam_role.lake.arn": f"arn:aws:iam::{ACCOUNT}:role/crime-assets-lakeformation",
}


_REFERENCES = {
    r"aws_iam_role\.reader_([\w-]+)\.arn": rf"arn:aws:iam::{ACCOUNT}:role/\1",
    r"aws_kms_key\.reader_([\w-]+)\.arn": rf"arn:aws:kms:us-east-1:{ACCOUNT}:key/\1",
    # Names of tables have no hyphen, those of the roles have no underscore here.
    r"aws_lakeformation_data_cells_filter\.reader_([\w-]+?)_\w+\.table_data\[0\]\.name": r"\1",
    r"aws_lakeformation_resource\.lake\.arn": "arn:aws:s3:::city-lake/lake",
    r"each\.key": "crime-assets-code",
}


def _put_in(reference: str) -> str:
    for pattern, value in _REFERENCES.items():
        if found := re.fullmatch(pattern, reference):
            return found.expand(value)
    return _NAMES.get(reference, f"${{{reference}}}")


def document() -> dict[str, Any]:
    """The committed document, names put in; expressions are as they are."""
    found: dict[str, Any] = json.loads(re.sub(r"\$\{([^{}]+)\}", lambda one: _put_in(one[1]), COMMITTED.read_text()))
    return found


def named(kind: str) -> dict[str, Any]:
    """The resources of a kind."""
    found: dict[str, Any] = document()["resource"][kind]
    return found


def statements(name: str) -> list[dict[str, Any]]:
    """The statements of an IAM document."""
    found: list[dict[str, Any]] = document()["data"]["aws_iam_policy_document"][name]["statement"]
    return found


def calls() -> list[tuple[str, str, dict[str, Any]]]:
    """What Terraform will ask of AWS, by service, operation and parameters."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    for one in named("aws_lakeformation_data_cells_filter").values():
        table = one["table_data"][0]
        rows = table["row_filter"][0]
        wanted = (
            {"FilterExpression": rows["filter_expression"]} if "filter_expression" in rows else {"AllRowsWildcard": {}}
        )
        told = {"TableCatalogId": ACCOUNT, "DatabaseName": table["database_name"], "TableName": table["table_name"]}
        columns = {"ColumnNames": table["column_names"], "RowFilter": wanted}
        found.append(
            ("lakeformation", "CreateDataCellsFilter", {"TableData": {**told, "Name": table["name"], **columns}})
        )
    for one in named("aws_lakeformation_permissions").values():
        resource = {
            "catalog_resource": lambda _: {"Catalog": {}},
            "database": lambda part: {"Database": {"Name": part["name"]}},
            "table": lambda part: {"Table": {"DatabaseName": part["database_name"], "TableWildcard": {}}},
            "data_location": lambda part: {"DataLocation": {"ResourceArn": part["arn"]}},
            "data_cells_filter": lambda part: {
                "DataCellsFilter": {
                    "TableCatalogId": part["table_catalog_id"],
                    "DatabaseName": part["database_name"],
                    "TableName": part["table_name"],
                    "Name": part["name"],
                }
            },
        }
        (kind,) = resource.keys() & one.keys()
        told = {"Principal": {"DataLakePrincipalIdentifier": one["principal"]}, "Permissions": one["permissions"]}
        found.append(
            (
                "lakeformation",
                "GrantPermissions",
                {**told, "Resource": resource[kind](one[kind] if one[kind] is True else one[kind][0])},
            )
        )
    settings = {"DataLakeAdmins": [{"DataLakePrincipalIdentifier": one} for one in VARIABLES["administrators"]]}
    empty = {"CreateDatabaseDefaultPermissions": [], "CreateTableDefaultPermissions": []}
    found.append(("lakeformation", "PutDataLakeSettings", {"DataLakeSettings": {**settings, **empty}}))
    for one in named("aws_athena_workgroup").values():
        told = one["configuration"][0]
        result = told["result_configuration"][0]
        encryption = result["encryption_configuration"][0]
        configuration = {
            "EnforceWorkGroupConfiguration": told["enforce_workgroup_configuration"],
            "BytesScannedCutoffPerQuery": told["bytes_scanned_cutoff_per_query"],
            "ResultConfiguration": {
                "OutputLocation": result["output_location"],
                "ExpectedBucketOwner": result["expected_bucket_owner"],
                "EncryptionConfiguration": {
                    "EncryptionOption": encryption["encryption_option"],
                    "KmsKey": encryption["kms_key_arn"],
                },
            },
        }
        found.append(("athena", "CreateWorkGroup", {"Name": one["name"], "Configuration": configuration}))
    trail = named("aws_cloudtrail")["governance"]
    selectors = [
        {
            "Name": one["name"],
            "FieldSelectors": [
                {
                    {"field": "Field", "equals": "Equals", "starts_with": "StartsWith"}[name]: value
                    for name, value in told.items()
                }
                for told in one["field_selector"]
            ],
        }
        for one in trail["advanced_event_selector"]
    ]
    found.append(("cloudtrail", "CreateTrail", {"Name": trail["name"], "S3BucketName": trail["s3_bucket_name"]}))
    found.append(("cloudtrail", "PutEventSelectors", {"TrailName": trail["name"], "AdvancedEventSelectors": selectors}))
    for one in named("aws_iam_role").values():
        trust = {"RoleName": one["name"], "AssumeRolePolicyDocument": one["assume_role_policy"]}
        found.append(("iam", "CreateRole", trust))
    return found
