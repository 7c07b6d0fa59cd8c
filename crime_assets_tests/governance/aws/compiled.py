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


def document() -> dict[str, Any]:
    """The committed document, names put in; other references are as they are."""
    text = re.sub(r"\$\{([^{}]+)\}", lambda one: _NAMES.get(one[1], one[0]), COMMITTED.read_text())
    found: dict[str, Any] = json.loads(text)
    return found


def named(kind: str) -> dict[str, Any]:
    """The resources of a kind."""
    found: dict[str, Any] = document()["resource"][kind]
    return found


def statements(name: str) -> list[dict[str, Any]]:
    """The statements of an IAM document."""
    found: list[dict[str, Any]] = document()["data"]["aws_iam_policy_document"][name]["statement"]
    return found
