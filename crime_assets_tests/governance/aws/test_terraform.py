"""The Terraform document: what it grants, what it denies, and that Terraform and AWS's own definitions take it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from crime_assets.cli.main import main
from crime_assets.core.errors import UsageError
from crime_assets.governance.aws.readers import readers
from crime_assets.governance.aws.terraform import document as compiled
from crime_assets_tests.governance.aws.compiled import (
    ACCOUNT,
    COMMITTED,
    PROJECT,
    VARIABLES,
    calls,
    document,
    named,
    statements,
)
from crime_assets_tests.governance.aws.test_readers import on_aws
from crime_assets_tests.governance.policies import TEXT, TYPES, policy

READERS = ["crime-commander-011", "crime-analyst", "crime-steward"]
OF_NO_RESOURCE = {"lakeformation:GetDataAccess"}
"""The service authorization reference lists no resource for these, so nothing but * can be said."""


def test_it_is_the_one_that_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """If this is red: make it anew with `crime-assets policy terraform`, read what changed, and apply it."""
    own = tmp_path / "policy.toml"
    own.write_text((PROJECT / "deploy" / "governance" / "policy.toml").read_text())
    own.chmod(0o600)
    monkeypatch.setenv("CRIME_POLICY", str(own))
    assert main(["policy", "terraform"]) == 0
    printed = capfd.readouterr()
    assert printed.out == COMMITTED.read_text()
    assert "warning: p.diaz sees earlier days without as_of: snapshots of crimes" in printed.err


def test_no_column_is_given_by_a_wildcard() -> None:
    filters = [one["table_data"][0] for one in named("aws_lakeformation_data_cells_filter").values()]
    assert all(table["column_names"] and "column_wildcard" not in table for table in filters)
    granted = named("aws_lakeformation_permissions").items()
    assert not [name for name, one in granted if "table_with_columns" in one or one["permissions"] == ["SUPER"]]
    every = {name for name, one in granted if one.get("table", [{}])[0].get("wildcard")}
    assert every == {
        "reader_crime-steward_chicago_tables",
        "writers_chicago_tables",
        "writers_chicago_governed_tables",
    }


def test_a_commander_gets_the_rows_of_the_district() -> None:
    table = named("aws_lakeformation_data_cells_filter")["reader_crime-commander-011_crimes"]["table_data"][0]
    assert table["row_filter"] == [{"filter_expression": "\"district\" IN ('011')"}]
    assert (table["database_name"], table["table_name"], table["table_catalog_id"]) == ("chicago", "crimes", ACCOUNT)
    assert {"record_md5", "year", "primary_type_published"}.isdisjoint(table["column_names"])
    analyst = named("aws_lakeformation_data_cells_filter")["reader_crime-analyst_crimes_analyst"]["table_data"][0]
    assert (analyst["database_name"], analyst["row_filter"]) == ("chicago_governed", [{"all_rows_wildcard": [{}]}])


def test_each_reader_has_one_filter_for_a_table_and_one_in_a_grant() -> None:
    tables = [one["table_data"][0] for one in named("aws_lakeformation_data_cells_filter").values()]
    pairs = [(one["name"], one["database_name"], one["table_name"]) for one in tables]
    assert len(pairs) == len(set(pairs))
    assert {name for name, *_ in pairs} == set(READERS) - {"crime-steward"}
    grants = [one for one in named("aws_lakeformation_permissions").values() if "data_cells_filter" in one]
    assert all(len(one["data_cells_filter"]) == 1 and one["permissions"] == ["SELECT"] for one in grants)
    assert len(grants) == len(pairs)


def test_each_reader_has_a_workgroup_a_prefix_and_a_key_of_its_own() -> None:
    seen = set()
    for role in READERS:
        workgroup = named("aws_athena_workgroup")[f"reader_{role}"]
        (configuration,) = workgroup["configuration"]
        (result,) = configuration["result_configuration"]
        (encryption,) = result["encryption_configuration"]
        assert workgroup["name"] == role
        assert configuration["enforce_workgroup_configuration"] is True
        assert configuration["bytes_scanned_cutoff_per_query"] == 10 << 30
        assert result["output_location"] == f"s3://city-results/{role}/"
        assert encryption == {
            "encryption_option": "SSE_KMS",
            "kms_key_arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{role}",
        }
        (_, use) = statements(f"results_key_{role}")
        assert use["principals"] == [{"type": "AWS", "identifiers": [f"arn:aws:iam::{ACCOUNT}:role/{role}"]}]
        seen |= {result["output_location"], encryption["kms_key_arn"]}
    assert len(seen) == 2 * len(READERS)


@pytest.mark.parametrize("role", READERS)
def test_a_reader_may_do_what_is_its_own_and_nothing_on_the_lake(role: str) -> None:
    for one in statements(f"reader_{role}"):
        for resource in one["resources"]:
            assert resource != "*" or set(one["actions"]) <= OF_NO_RESOURCE
            if any(action.startswith("s3:") for action in one["actions"]):
                assert resource in ("arn:aws:s3:::city-results", f"arn:aws:s3:::city-results/{role}/*")
            if ":workgroup/" in resource:
                assert resource.endswith(f":workgroup/{role}")
        assert not [action for action in one["actions"] if action.split(":")[1] in ("*", "Get*") or "iam:" in action]


def test_a_role_ends_when_the_access_ends() -> None:
    roles = named("aws_iam_role")
    assert '"aws:CurrentTime" = "2027-07-01T00:00:00Z"' in roles["reader_crime-commander-011"]["assume_role_policy"]
    assert "CurrentTime" not in roles["reader_crime-analyst"]["assume_role_policy"]


def test_a_role_is_for_its_principal_only() -> None:
    principals = {"crime-commander-011": "p.diaz", "crime-analyst": "analyst", "crime-steward": "steward"}
    for role, principal in principals.items():
        trust = named("aws_iam_role")[f"reader_{role}"]["assume_role_policy"]
        assert f'StringEquals = {{ (local.who) = "{principal}" }}' in trust


def test_nothing_is_given_by_default() -> None:
    settings = named("aws_lakeformation_data_lake_settings")["lake"]
    assert not [name for name in settings if "default" in name or "external" in name]
    assert "IAM_ALLOWED_PRINCIPALS" not in COMMITTED.read_text()


def denied(name: str, action: str, **context: str) -> bool:
    """Whether a bucket's document denies an action, in a context of condition keys. What is missing is not there."""
    keys = {key.replace("__", ":").replace("_", "-"): value for key, value in context.items()}

    def holds(one: dict[str, Any]) -> bool:
        value, values = keys.get(one["variable"]), one["values"]
        match one["test"]:
            case "Null":
                return (value is None) == (values == ["true"])
            case "Bool":
                return value in values
            case "NumericLessThan":
                return value is not None and float(value) < float(values[0])
            case "StringNotEquals":
                return value not in values
            case "ArnNotEquals":
                assert "concat([aws_iam_role.lake.arn], [for name in concat(var.writers, var.deliverers)" in values
                return str(value).rsplit("/", 1)[-1] not in BRINGERS
        raise AssertionError(one)

    return any(
        one["effect"] == "Deny"
        and any(fnmatchcase(action, pattern) for pattern in one["actions"])
        and all(holds(condition) for condition in one["condition"])
        for one in statements(name)
    )


BRINGERS = {"crime-assets-code", "crime-assets-firehose", "crime-assets-lakeformation"}
WRITER = f"arn:aws:iam::{ACCOUNT}:role/crime-assets-lakeformation"
SAFE = {"aws__SecureTransport": "true", "s3__TlsVersion": "1.3", "aws__PrincipalArn": WRITER}
KMS = {"s3__x_amz_server_side_encryption": "aws:kms"}


def test_what_the_buckets_deny() -> None:
    for bucket in ("on_lake", "on_results", "on_trail"):
        assert denied(bucket, "s3:GetObject", **{**SAFE, "aws__SecureTransport": "false"})
        assert denied(bucket, "s3:GetObject", **{**SAFE, "s3__TlsVersion": "1.1"})
        assert not denied(bucket, "s3:GetObject", **SAFE)
    for bucket in ("on_lake", "on_results"):
        assert denied(bucket, "s3:PutObject", **SAFE, s3__x_amz_server_side_encryption="AES256")
        assert not denied(bucket, "s3:PutObject", **SAFE, **KMS)
    key = "s3__x_amz_server_side_encryption_aws_kms_key_id"
    assert denied("on_lake", "s3:PutObject", **SAFE, **KMS, **{key: "arn:aws:kms:us-east-1:1:key/x"})
    assert not denied("on_lake", "s3:PutObject", **SAFE, **KMS, **{key: f"arn:aws:kms:us-east-1:{ACCOUNT}:key/lake"})
    assert not denied("on_lake", "s3:PutObject", **SAFE)  # the bucket's own key
    assert denied("on_results", "s3:PutObject", **SAFE)
    for role in ("crime-commander-011", "admin", "crime-steward"):
        other = {**SAFE, "aws__PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{role}"}
        assert denied("on_lake", "s3:GetObject", **other)
        assert denied("on_lake", "s3:GetObjectVersion", **other)


def test_those_who_look_after_keys_do_not_decrypt() -> None:
    for name in ("lake_key", "trail_key", *(f"results_key_{role}" for role in READERS)):
        manage, *others = statements(name)
        assert manage["principals"][0]["identifiers"] == [f"arn:aws:iam::{ACCOUNT}:root"]
        # Nor let themselves be granted it. Who may put a key's policy can still write another one.
        for action in ("kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant"):
            assert not [pattern for pattern in manage["actions"] if fnmatchcase(action, pattern)]
        assert all("root" not in str(one["principals"]) for one in others)


def test_the_trail_stays_and_sees_objects() -> None:
    lock = named("aws_s3_bucket_object_lock_configuration")["trail"]["rule"][0]["default_retention"][0]
    assert lock == {"mode": "COMPLIANCE", "days": 400}
    assert named("aws_s3_bucket")["trail"]["object_lock_enabled"] is True
    trail = named("aws_cloudtrail")["governance"]
    assert trail["enable_log_file_validation"] is True
    objects = {one["field"]: one for one in trail["advanced_event_selector"][1]["field_selector"]}
    assert objects["resources.ARN"]["starts_with"] == ["arn:aws:s3:::city-lake/", "arn:aws:s3:::city-results/"]


def test_a_constant_of_the_policy_is_no_template() -> None:
    text = on_aws(desk="desk").replace("domestic = FALSE", "primary_type LIKE '${var.trust}%{ if true }'")
    found = compiled("chicago", readers(policy(text), TYPES))
    (cells,) = found["resource"]["aws_lakeformation_data_cells_filter"].values()
    assert cells["table_data"][0]["row_filter"][0]["filter_expression"].endswith("LIKE '$${var.trust}%%{ if true }'")


def test_two_filters_never_have_one_name() -> None:
    """As those of the role x_crimes and the table crimes have, and of the role x and the table crimes_crimes."""
    text = TEXT.replace("roles.desk]", "roles.crimes]").replace('role = "desk"', 'role = "crimes"')
    text = text.replace(
        'clear = ["open", "detail", "identity", "origin"]\nmask = { place = "cell" }', 'clear = ["open"]'
    )
    found = readers(policy(on_aws(text, desk="x", **{"p.diaz": "x_crimes"})), TYPES)
    assert {(one.iam_role, one.cells[0].table) for one in found} == {("x", "crimes_crimes"), ("x_crimes", "crimes")}
    with pytest.raises(UsageError, match="Two things would be called reader_x_crimes_crimes in the document"):
        compiled("chicago", found)


def test_aws_takes_the_calls() -> None:
    """As botocore checks them before it sends anything."""
    asked = calls()
    assert len(asked) > 40
    session = boto3.Session(region_name="us-east-1")
    for service, operation, parameters in asked:
        shape = session.client(service).meta.service_model.operation_model(operation).input_shape
        assert ParamValidator().validate(parameters, shape).generate_report() == "", operation


def provider() -> Path | None:
    """A directory with the provider as a mirror of the registry; None if there is none."""
    places = [os.environ.get("TF_PLUGINS", ""), "/opt/tf-plugins", "/usr/share/terraform/plugins"]
    return next((Path(one) for one in places if one and list(Path(one).glob("*/hashicorp/aws/*"))), None)


class Terraform:
    """The program in a directory of its own, with the committed document; no registry is asked."""

    def __init__(self, place: Path) -> None:
        program, plugins = shutil.which("terraform") or shutil.which("tofu"), provider()
        if program is None or plugins is None:
            pytest.skip("there is no terraform, or no hashicorp/aws in a directory that TF_PLUGINS names")
        self._program, self._place = program, place
        (place / "cli.tfrc").write_text(f'provider_installation {{ filesystem_mirror {{ path = "{plugins}" }} }}\n')
        shutil.copy(COMMITTED, place)
        self.run("init", "-input=false")

    def run(self, *arguments: str) -> str:
        """What a command prints; it must succeed."""
        ran = self._run(*arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def plan(self, **variables: object) -> dict[str, dict[str, Any]]:
        """Address → values of what would be made."""
        self._give(variables)
        self.run("plan", "-input=false", "-out=plan")
        found = json.loads(self.run("show", "-json", "plan"))["planned_values"]["root_module"]["resources"]
        return {one["address"]: one["values"] for one in found if one["mode"] == "managed"}

    def refusal(self, **variables: object) -> str:
        """What is said to variables that it does not take."""
        self._give(variables)
        ran = self._run("plan", "-input=false", "-no-color")
        assert ran.returncode != 0
        return " ".join(ran.stderr.replace("│", " ").split())

    def _give(self, variables: dict[str, object]) -> None:
        (self._place / "terraform.tfvars.json").write_text(json.dumps({**VARIABLES, **variables}))

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TF_")},
            "TF_CLI_CONFIG_FILE": str(self._place / "cli.tfrc"),
            "CHECKPOINT_DISABLE": "1",
        }
        return subprocess.run(
            [self._program, *arguments],
            cwd=self._place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


def trust(values: dict[str, dict[str, Any]], role: str) -> dict[str, Any]:
    """The one statement of who may become a role."""
    (found,) = json.loads(values[f"aws_iam_role.reader_{role}"]["assume_role_policy"])["Statement"]
    return dict(found)


@pytest.mark.slow
def test_terraform_takes_it(tmp_path: Path, moto: str) -> None:
    """Validated, and planned against a stand-in, by which the IAM documents are made out."""
    terraform = Terraform(tmp_path)
    assert json.loads(terraform.run("validate", "-json"))["diagnostics"] == []
    values = terraform.plan()
    commander = trust(values, "crime-commander-011")
    assert commander["Principal"] == VARIABLES["trust"]["principal"]
    assert commander["Action"] == ["sts:AssumeRoleWithSAML", "sts:TagSession"]
    assert commander["Condition"] == {
        "StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml", "aws:RequestTag/CrimePrincipal": "p.diaz"},
        "DateLessThan": {"aws:CurrentTime": "2027-07-01T00:00:00Z"},
    }
    writer = values['aws_lakeformation_permissions.writers_location["crime-assets-code"]']
    assert writer["principal"] == f"arn:aws:iam::{ACCOUNT}:role/crime-assets-code"
    assert len(json.loads(values["aws_s3_bucket_policy.trail"]["policy"])["Statement"]) == 4
    assert set(document()["resource"]) == {address.split(".")[0] for address in values}


@pytest.mark.stress
def test_what_the_operator_demands_stays(tmp_path: Path, moto: str) -> None:
    terraform = Terraform(tmp_path)
    demanded = {
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "StringEquals": {"aws:PrincipalTag/Site": "city"},
        "DateLessThan": {"aws:TokenIssueTime": "2027-01-01T00:00:00Z"},
        "DateLessThanEquals": {"aws:CurrentTime": "2027-01-31T23:59:59Z"},
    }
    by_account = {"principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "action": "sts:AssumeRole"}
    found = trust(terraform.plan(trust={**by_account, "condition": demanded}), "crime-commander-011")
    assert found["Action"] == ["sts:AssumeRole"]
    assert found["Condition"] == {
        **demanded,
        "StringEquals": {"aws:PrincipalTag/Site": "city", "aws:PrincipalTag/CrimePrincipal": "p.diaz"},
        "DateLessThan": {**demanded["DateLessThan"], "aws:CurrentTime": "2027-07-01T00:00:00Z"},
    }
    for condition in (
        {"DateLessThan": {"aws:currenttime": "2027-01-01T00:00:00Z"}},
        {"StringEquals": {"aws:PrincipalTag/crimeprincipal": "p.diaz"}},
    ):
        said = terraform.refusal(trust={**by_account, "condition": condition})
        assert "for an end of your own use DateLessThanEquals" in said
    said = terraform.refusal(trust={**by_account, "action": "sts:*", "condition": demanded})
    assert "The action must be one of" in said
