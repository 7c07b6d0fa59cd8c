"""What roles, buckets and keys allow and deny, as Terraform's `aws_iam_policy_document`.

Names of Terraform's variables and resources stand in them; `terraform` makes those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from crime_assets.governance.aws.readers import Reader

Document: TypeAlias = dict[str, Any]
Condition: TypeAlias = tuple[str, str, Sequence[str] | str]
"""A test, a key, and values, or an expression of them."""

ACCOUNT = "${data.aws_caller_identity.here.account_id}"
PARTITION = "${data.aws_partition.here.partition}"
REGION = "${data.aws_region.here.name}"
LAKE, RESULTS, TRAIL = (f"arn:{PARTITION}:s3:::${{var.{name}_bucket}}" for name in ("lake", "results", "trail"))
LAKE_KEY = "${aws_kms_key.lake.arn}"
LAKE_ROLE = "${aws_iam_role.lake.arn}"
TRAIL_NAME = "crime-assets-governance"


def _roles(names: str) -> str:
    """Terraform's expression of the ARNs of roles of these names."""
    return f'[for name in {names} : "arn:{PARTITION}:iam::{ACCOUNT}:role/${{name}}"]'


WRITERS = f"${{{_roles('var.writers')}}}"
BRINGERS = f"${{{_roles('concat(var.writers, var.deliverers)')}}}"
BRINGERS_AND_LAKE_ROLE = f"${{concat([aws_iam_role.lake.arn], {_roles('concat(var.writers, var.deliverers)')})}}"
_TRAIL_ARN = f"arn:{PARTITION}:cloudtrail:{REGION}:{ACCOUNT}:trail/{TRAIL_NAME}"
_MANAGING = (
    "CreateAlias Describe* Enable* List* Put* Update* Revoke* Disable* Get* Delete* TagResource UntagResource "
    "ScheduleKeyDeletion CancelKeyDeletion"
).split()
"""What those who look after keys do: not decrypt, and not grant it."""
_ASKING = (
    "StartQueryExecution StopQueryExecution GetQueryExecution BatchGetQueryExecution ListQueryExecutions "
    "GetQueryResults GetQueryResultsStream GetWorkGroup"
).split()
_LOOKING = "GetDataCatalog ListDatabases GetDatabase ListTableMetadata GetTableMetadata".split()
_CATALOG = "GetDatabase GetDatabases GetTable GetTables GetPartition GetPartitions BatchGetPartition".split()


def of_reader(reader: Reader) -> Document:
    """What a reader's role may: ask in its own workgroup, and read what Lake Formation hands out. Not S3's lake."""
    prefix = f"{RESULTS}/{reader.iam_role}"
    glue = f"arn:{PARTITION}:glue:{REGION}:{ACCOUNT}"
    tables = [f"{glue}:{kind}" for name in reader.databases for kind in (f"database/{name}", f"table/{name}/*")]
    athena = f"arn:{PARTITION}:athena:{REGION}:{ACCOUNT}"
    return _document(
        _statement("Ask", _of("athena", _ASKING), [f"{athena}:workgroup/{reader.iam_role}"]),
        _statement("Look", _of("athena", _LOOKING), [f"{athena}:datacatalog/AwsDataCatalog"]),
        _statement("Find", _of("glue", _CATALOG), [f"{glue}:catalog", *tables]),
        # This action is of no resource: which table, Lake Formation decides.
        _statement("Read", ["lakeformation:GetDataAccess"], ["*"]),
        _statement("FindResults", ["s3:GetBucketLocation"], [RESULTS]),
        _statement(
            "ListResults", ["s3:ListBucket"], [RESULTS], when=[("StringLike", "s3:prefix", [f"{reader.iam_role}/*"])]
        ),
        _statement("KeepResults", _of("s3", ["GetObject", "PutObject", "AbortMultipartUpload"]), [f"{prefix}/*"]),
    )


def of_writer() -> Document:
    """What the program needs beside what it had: to read by Athena, to mask, to see whether anything has drifted."""
    athena = f"arn:{PARTITION}:athena:{REGION}:{ACCOUNT}"
    secrets = f"arn:{PARTITION}:secretsmanager:{REGION}:{ACCOUNT}:secret"
    seeing = "GetDataAccess GetDataLakeSettings ListPermissions ListDataCellsFilter GetResourceLFTags".split()
    return _document(
        # None of these is of a resource.
        _statement("SeeGrants", _of("lakeformation", seeing), ["*"]),
        # Secrets Manager adds a hyphen and six characters to the name.
        _statement("Mask", ["secretsmanager:GetSecretValue"], [f"{secrets}:crime-assets/mask-key-??????"]),
        _statement("SeeWorkgroups", ["athena:GetWorkGroup"], [f"{athena}:workgroup/*"]),
        # Which key an alias names, not what it encrypts.
        _statement("SeeKeys", ["kms:DescribeKey"], [f"arn:{PARTITION}:kms:{REGION}:{ACCOUNT}:key/*"]),
    )


def of_lake_role() -> Document:
    """What Lake Formation hands out parts of."""
    return _document(
        _statement("Find", ["s3:ListBucket"], [LAKE]),
        _statement("Read", ["s3:GetObject"], [f"{LAKE}/${{var.lake_prefix}}/*"]),
    )


def by_lakeformation() -> Document:
    """Who may be the lake's role: Lake Formation."""
    here: Condition = ("StringEquals", "aws:SourceAccount", [ACCOUNT])
    by = ("Service", ["lakeformation.amazonaws.com"])
    return _document(_statement("LakeFormation", ["sts:AssumeRole", "sts:SetContext"], by=by, when=[here]))


def on_lake() -> Document:
    """The lake's bucket: read by Lake Formation's role and those who bring data, nobody else; one key for all of it."""
    return _document(
        *_secure(LAKE),
        _deny(
            "NoOtherEncryption",
            ["s3:PutObject"],
            [f"{LAKE}/*"],
            # Without a header, the bucket's own key is used.
            ("Null", "s3:x-amz-server-side-encryption", ["false"]),
            ("StringNotEquals", "s3:x-amz-server-side-encryption", ["aws:kms"]),
        ),
        _deny(
            "NoOtherKey",
            ["s3:PutObject"],
            [f"{LAKE}/*"],
            ("Null", "s3:x-amz-server-side-encryption-aws-kms-key-id", ["false"]),
            ("StringNotEquals", "s3:x-amz-server-side-encryption-aws-kms-key-id", [LAKE_KEY]),
        ),
        _deny(
            "NoOtherReaders",
            ["s3:GetObject", "s3:GetObjectVersion"],
            [f"{LAKE}/*"],
            ("ArnNotEquals", "aws:PrincipalArn", BRINGERS_AND_LAKE_ROLE),
        ),
    )


def on_results() -> Document:
    """The results' bucket: nothing without a key. Each reader's results have the reader's own."""
    return _document(
        *_secure(RESULTS),
        _deny(
            "NoOtherEncryption",
            ["s3:PutObject"],
            [f"{RESULTS}/*"],
            ("StringNotEquals", "s3:x-amz-server-side-encryption", ["aws:kms"]),
        ),
    )


def on_trail() -> Document:
    """The trail's bucket: CloudTrail writes it."""
    by = ("Service", ["cloudtrail.amazonaws.com"])
    here: Condition = ("StringEquals", "aws:SourceArn", [_TRAIL_ARN])
    whole: Condition = ("StringEquals", "s3:x-amz-acl", ["bucket-owner-full-control"])
    return _document(
        *_secure(TRAIL),
        _statement("TrailLooks", ["s3:GetBucketAcl"], [TRAIL], by=by, when=[here]),
        _statement("TrailWrites", ["s3:PutObject"], [f"{TRAIL}/AWSLogs/{ACCOUNT}/*"], by=by, when=[here, whole]),
    )


def on_lake_key() -> Document:
    """The lake's key: for those who bring data, and to read for Lake Formation's role."""
    return _document(
        _managed(),
        _statement("Keep", _of("kms", ["Decrypt", "GenerateDataKey"]), ["*"], by=("AWS", BRINGERS), when=[_BY_S3]),
        _statement("Read", ["kms:Decrypt"], ["*"], by=("AWS", [LAKE_ROLE])),
    )


def on_results_key(role: str) -> Document:
    """The key of a reader's results: for that role, of this ARN, by S3."""
    by = ("AWS", [role])
    return _document(
        _managed(), _statement("Keep", _of("kms", ["Decrypt", "GenerateDataKey"]), ["*"], by=by, when=[_BY_S3])
    )


def on_trail_key() -> Document:
    """The trail's key: CloudTrail encrypts, auditors read."""
    by = ("Service", ["cloudtrail.amazonaws.com"])
    here: Condition = ("StringEquals", "aws:SourceArn", [_TRAIL_ARN])
    return _document(
        _managed(),
        _statement("Write", _of("kms", ["GenerateDataKey*", "DescribeKey"]), ["*"], by=by, when=[here]),
        _statement("Read", ["kms:Decrypt"], ["*"], by=("AWS", "${var.auditors}")),
    )


_BY_S3: Condition = ("StringEquals", "kms:ViaService", [f"s3.{REGION}.amazonaws.com"])


def _managed() -> Document:
    """In a key's document, `*` is that key."""
    return _statement("Manage", _of("kms", _MANAGING), ["*"], by=("AWS", [f"arn:{PARTITION}:iam::{ACCOUNT}:root"]))


def _secure(bucket: str) -> list[Document]:
    """No connection without TLS 1.2 or newer."""
    everything = [bucket, f"{bucket}/*"]
    return [
        _deny("OnlyTls", ["s3:*"], everything, ("Bool", "aws:SecureTransport", ["false"])),
        _deny("OnlyNewTls", ["s3:*"], everything, ("NumericLessThan", "s3:TlsVersion", ["1.2"])),
    ]


def _of(service: str, actions: Sequence[str]) -> list[str]:
    return [f"{service}:{action}" for action in actions]


def _document(*statements: Document) -> Document:
    return {"statement": list(statements)}


def _deny(sid: str, actions: Sequence[str], resources: Sequence[str], *when: Condition) -> Document:
    return _statement(sid, actions, resources, by=("*", ["*"]), when=when, effect="Deny")


def _statement(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str] = (),
    *,
    by: tuple[str, Sequence[str] | str] | None = None,
    when: Sequence[Condition] = (),
    effect: str = "Allow",
) -> Document:
    """A statement; `by` is a kind of principals and their identifiers."""
    told: Document = {"sid": sid, "effect": effect, "actions": list(actions)}
    parts: Mapping[str, Any] = {
        "resources": list(resources),
        "principals": [{"type": by[0], "identifiers": by[1]}] if by else [],
        "condition": [{"test": test, "variable": key, "values": values} for test, key, values in when],
    }
    return told | {name: part for name, part in parts.items() if part}
