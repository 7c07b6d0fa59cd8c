"""The page of deploy/ is true: its commands are run, in order, against stand-ins of the services."""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from datetime import date
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.notices import Notices
from crime_assets.profiles import Settings
from crime_assets.streams.firehose import delivery_stream_settings
from crime_assets_tests.deploy.command_line import Aws, run

PROJECT = Path(__file__).parents[2]
DOCUMENTS = PROJECT / "deploy" / "aws"
PAGE = (PROJECT / "deploy" / "README.md").read_text()
REGION, ACCOUNT = "us-east-2", "123456789012"
LAST = "Taking it down"

SKIPPED: dict[tuple[str, str], Any] = {
    ("ecs", "ListTasks"): {"taskArns": [f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/crime-assets/0a1b"]},
    ("ecs", "DescribeTasks"): {"tasks": [{"containers": [{"name": "webserver", "runtimeId": "0a1b-265"}]}]},
    ("ecs", "ExecuteCommand"): {},
    ("ssm", "StartSession"): {},
}
"""What the stand-in cannot do, and an answer."""

NO_OPERATIONS = {"iam:PassRole"} | {
    f"ssmmessages:{verb}{channel}Channel" for verb in ("Create", "Open") for channel in ("Control", "Data")
}
"""Actions that are of no public API."""
CALLED_OTHERWISE = {
    "s3:ListBucket": "ListObjectsV2",
    "s3:ListMultipartUploadParts": "ListParts",
    "s3:ListBucketMultipartUploads": "ListMultipartUploads",
}
ANYWHERE = {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"} | NO_OPERATIONS
"""Actions that AWS lets nobody limit to a resource."""


def commands(*, last: bool) -> str:
    """The commands of the last section, or those of all before it."""
    parts = re.split(r"^## (.*)$", PAGE, flags=re.MULTILINE)[1:]
    assert parts[-2] == LAST
    texts = parts[-1:] if last else parts[1:-2:2]
    found = "".join("".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)) for text in texts)
    return found.replace(".venv/bin/pip ", ": ").replace(".venv/bin/", f"{Path(sys.executable).parent}/")


def documents(pattern: str) -> dict[str, Any]:
    return {path.name: json.loads(path.read_text()) for path in sorted(DOCUMENTS.glob(pattern))}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.fixture
def region(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, REGION)
    return REGION


def test_the_policy_gets_into_the_task_as_the_page_says() -> None:
    (code,) = [
        one for one in documents("task-*.json")["task-definition.json"]["containerDefinitions"] if one["name"] == "code"
    ]
    told = {entry["name"]: entry["value"] for entry in code["environment"]}
    assert (told["CRIME_POLICY"], told["CRIME_MASK_KEY"]) == ("${CRIME_POLICY}", "${CRIME_MASK_KEY}")
    (place,) = re.findall(r"`CRIME_POLICY=(/\S+)/policy\.toml`", PAGE)
    image = (PROJECT / "deploy" / "Containerfile").read_text().partition("AS code")[2]
    assert f"WORKDIR {place.rpartition('/')[0]}\n" in image
    assert f"COPY deploy/governance {place.rpartition('/')[2]}\n" in image
    assert (PROJECT / "deploy" / "governance" / "policy.toml").is_file()


def test_from_an_empty_account_to_a_service_and_back(region: str, tmp_path: Path) -> None:
    aws = Aws(SKIPPED)
    kept = tmp_path / "variables"
    said = run(f"{commands(last=False)}\nexport -p | grep -v STAND_IN > {kept}", aws, PROJECT, {})
    for target in ("code", "control"):
        assert f"--target {target} -t {ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/crime-assets:{target}" in said
    _assert_buckets(aws)
    _assert_stream(aws)
    _assert_catalog_and_queries(aws)
    _assert_task(aws)
    _assert_migration(aws)
    _assert_job(aws)

    run(f"source {kept}\n{commands(last=True)}", aws, PROJECT, {})
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert aws.client("iam").list_roles()["Roles"] == []
    assert aws.client("firehose").list_delivery_streams()["DeliveryStreamNames"] == []
    assert aws.client("rds").describe_db_instances()["DBInstances"] == []
    assert aws.client("sns").list_topics()["Topics"] == []
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []
    assert aws.client("glue").get_databases()["DatabaseList"] == []


def _assert_buckets(aws: Aws) -> None:
    s3 = aws.client("s3")
    for bucket in ("your-crimes-lake", "your-crimes-work"):
        blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert set(blocked.values()) == {True}
        assert len(blocked) == 4
        (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        (only,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        assert (only["Effect"], only["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        assert only["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    assert s3.get_bucket_versioning(Bucket="your-crimes-lake")["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(Bucket="your-crimes-lake")["Rules"]
    assert all("Expiration" not in rule for rule in rules), "nothing of the lake goes by itself"


def _assert_stream(aws: Aws) -> None:
    firehose = aws.client("firehose")
    found = firehose.describe_delivery_stream(DeliveryStreamName="crime-assets")["DeliveryStreamDescription"]
    (destination,) = found["Destinations"]
    role = f"arn:aws:iam::{ACCOUNT}:role/crime-assets-firehose"
    wanted = delivery_stream_settings("your-crimes-lake", role, "landing")
    written = destination["ExtendedS3DestinationDescription"]
    assert {name: written[name] for name in wanted} == wanted
    assert aws.client("iam").get_role(RoleName="crime-assets-firehose")["Role"]["Arn"] == role
    policy = aws.client("iam").get_role_policy(RoleName="crime-assets-firehose", PolicyName="firehose")
    (writing,) = (one for one in policy["PolicyDocument"]["Statement"] if "s3:PutObject" in one["Action"])
    for key in (wanted["Prefix"], wanted["ErrorOutputPrefix"]):
        fixed = f"arn:aws:s3:::your-crimes-lake/{key.split('!')[0]}"
        assert any(fixed.startswith(resource.removesuffix("*")) for resource in writing["Resource"]), key


def _assert_catalog_and_queries(aws: Aws) -> None:
    assert aws.client("glue").get_database(Name="chicago")["Database"]["Name"] == "chicago"
    found = aws.client("athena").get_work_group(WorkGroup="crime-assets")["WorkGroup"]["Configuration"]
    assert found["EnforceWorkGroupConfiguration"] is True
    assert found["BytesScannedCutoffPerQuery"] == 10 << 30
    assert found["ResultConfiguration"]["OutputLocation"] == "s3://your-crimes-work/athena/"


def _assert_task(aws: Aws) -> None:
    found = aws.client("ecs").describe_task_definition(taskDefinition="crime-assets:1")["taskDefinition"]
    containers = {container["name"]: container for container in found["containerDefinitions"]}
    variables = {entry["name"]: entry["value"] for entry in containers["code"]["environment"]}
    settings = Settings.from_environment(variables)
    assert settings.aws is not None
    assert (str(settings.aws.lake), str(settings.aws.landing)) == (
        "s3://your-crimes-lake/lake",
        "s3://your-crimes-lake/landing",
    )
    assert (settings.city, settings.engine, settings.feed) == ("chicago", "duckdb", "socrata")
    assert (settings.aws.firehose, settings.aws.athena_workgroup) == ("crime-assets", "crime-assets")
    assert (settings.aws.first_day, settings.aws.region) == (date(2026, 1, 1), REGION)
    Notices(Clients(settings.aws.region), settings.aws.notices_topic, settings.aws.metrics_namespace)
    secret = aws.client("secretsmanager").get_secret_value(SecretId="crime-assets/postgres")
    assert len(secret["SecretString"]) == 40
    for container in containers.values():
        assert secret["SecretString"] not in json.dumps(container)
        keys = {entry["name"]: entry["valueFrom"] for entry in container["secrets"]}
        assert keys["DAGSTER_PG_PASSWORD"] == secret["ARN"]
    (service,) = (given for _, operation, given in aws.called if operation == "CreateService")
    assert service["desiredCount"] == 1
    assert service["deploymentConfiguration"]["maximumPercent"] == 100, "two would write one lake"


def _assert_migration(aws: Aws) -> None:
    first, second = (
        next(one for one in found["containerDefinitions"] if one["name"] == "code")
        for number in (1, 2)
        for found in [
            aws.client("ecs").describe_task_definition(taskDefinition=f"crime-assets:{number}")["taskDefinition"]
        ]
    )
    before, after = (
        Settings.from_environment({entry["name"]: entry["value"] for entry in one["environment"]})
        for one in (first, second)
    )
    assert before.legacy == ""
    assert after.legacy == "postgresql://mover@records.example.org:5432/department"
    assert after.aws
    assert after.aws.documents == "crime-documents"
    secret = aws.client("secretsmanager").describe_secret(SecretId="crime-assets/legacy")["ARN"]
    assert {"name": "CRIME_LEGACY_PASSWORD", "valueFrom": secret} in second["secrets"]
    starting = aws.client("iam").get_role_policy(RoleName="crime-assets-execution", PolicyName="execution")
    assert secret in json.dumps(starting["PolicyDocument"])
    policy = aws.client("iam").get_role_policy(RoleName="crime-assets-code", PolicyName="documents")["PolicyDocument"]
    assert policy["Statement"][0]["Resource"] == f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/crime-documents"
    image = (PROJECT / "deploy" / "Containerfile").read_text().partition("AS code")[2]
    assert '".[aws,legacy]"' in image, "it has the drivers of legacy databases"


def _assert_job(aws: Aws) -> None:
    job = aws.client("glue").get_job(JobName="crime-assets")["Job"]
    assert job["Command"]["ScriptLocation"] == "s3://your-crimes-work/jobs/spark_job.py"
    wheel = f"crime_assets-{importlib.metadata.version('crime-assets')}-py3-none-any.whl"
    assert job["DefaultArguments"]["--additional-python-modules"] == f"s3://your-crimes-work/jobs/{wheel}"
    (application,) = aws.client("emr-serverless").list_applications()["applications"]
    tags = aws.client("emr-serverless").get_application(applicationId=application["id"])["application"]["tags"]
    assert tags["crime-assets:role"] == f"arn:aws:iam::{ACCOUNT}:role/crime-assets-job"
    assert tags["crime-assets:entry-point"] == job["Command"]["ScriptLocation"]
    newest = aws.client("ecs").describe_task_definition(taskDefinition="crime-assets:3")["taskDefinition"]
    (code,) = (container for container in newest["containerDefinitions"] if container["name"] == "code")
    variables = {entry["name"]: entry["value"] for entry in code["environment"]}
    assert (variables["CRIME_ENGINE"], variables["CRIME_SPARK_JOB"]) == ("spark", "glue:crime-assets")


def test_every_document_is_json_and_used_on_the_page() -> None:
    assert len(documents("*.json")) >= 20
    for name in documents("*.json"):
        assert f"deploy/aws/{name}" in PAGE, name


def test_every_variable_of_a_document_is_set_on_the_page() -> None:
    """`envsubst` puts nothing in the place of one that is not."""
    for path in sorted(DOCUMENTS.glob("*.json")):
        for name in re.findall(r"\$\{(\w+)\}", path.read_text()):
            assert f"\nexport {name}=" in PAGE, f"{path.name}: {name}"


@pytest.mark.parametrize("name", list(documents("*policy.json")))
def test_policies_allow_actions_that_there_are(name: str) -> None:
    session = botocore.session.get_session()
    for statement in documents(name)[name]["Statement"]:
        if statement["Effect"] == "Deny":
            continue
        for action in listed(statement["Action"]):
            service, operation = action.split(":")
            if action not in NO_OPERATIONS:
                known = session.get_service_model(service).operation_names
                assert CALLED_OTHERWISE.get(action, operation) in known, action
            if "Principal" not in statement and action not in ANYWHERE:
                assert "*" not in listed(statement["Resource"]), f"{action} is allowed everywhere"


def test_nothing_names_an_account_or_a_key() -> None:
    for path in sorted((PROJECT / "deploy").rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            text = path.read_text()
            assert not re.search(r"\b[0-9]{12}\b|AKIA[A-Z0-9]{16}", text), path
