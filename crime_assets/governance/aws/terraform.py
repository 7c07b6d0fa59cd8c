"""The policy as a Terraform document (JSON), also for OpenTofu: what AWS needs to enforce it.

It takes the lake's bucket and tables as they are, and makes the rest: roles, workgroups, keys, filters and grants for
readers, the trail. Nobody gets columns by a wildcard but who sees everything: a column that nobody named is hidden.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from crime_assets.core.errors import UsageError
from crime_assets.governance.aws import documents
from crime_assets.governance.aws.documents import ACCOUNT, LAKE, LAKE_KEY, LAKE_ROLE, RESULTS, TRAIL_NAME
from crime_assets.governance.aws.readers import Cells, Reader

MOST_BYTES = 10 << 30
"""Bytes that a question may scan before Athena stops it."""
TRAIL_DAYS = 400
RESULT_DAYS = 7
WHO = "CrimePrincipal"
"""The tag by which a person is known to be a principal of the policy, with the principal's name as its value."""

Block: TypeAlias = dict[str, Any]
Part: TypeAlias = tuple[Mapping[str, Block], Block]
"""Resources by kind and name, and documents by name."""

_BY_ACCOUNT = "sts:AssumeRole"
_BY_PROVIDER = ("sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")
_TAGS = ("principal", "request")
_SETTINGS = ["aws_lakeformation_data_lake_settings.lake"]


def alias_of(iam_role: str) -> str:
    """The name of the key of a role's answers: by it the daily check tells it from another key."""
    return f"alias/crime-assets/{iam_role}"


def document(city: str, readers: Sequence[Reader]) -> Block:
    """The document of a city's readers; UsageError if two of them would get one name in it."""
    databases = sorted({city}.union(*(reader.databases for reader in readers)))
    resources: dict[str, Block] = {}
    policies: Block = {}
    for found, documented in (_lake(databases), _results(), _trail(), *map(_reader, readers)):
        _add(policies, documented)
        for kind, named in found.items():
            _add(resources.setdefault(kind, {}), named)
    left_out = [sentence for reader in readers for sentence in reader.left_out]
    return {
        "//": ["Made by `crime-assets policy terraform`: change the policy, not this file.", *left_out],
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": "~> 5.100"}}},
        "variable": _variables(),
        "locals": _becoming(),
        "data": {
            "aws_caller_identity": {"here": {}},
            "aws_partition": {"here": {}},
            "aws_region": {"here": {}},
            "aws_iam_policy_document": policies,
        },
        "resource": resources,
    }


def _add(known: Block, more: Mapping[str, Any]) -> None:
    """Add what has names; one of these may not take the place of another."""
    # Terraform's names are made of names of roles and tables, and two pairs can give one: x_crimes, x and crimes.
    if twice := sorted(known.keys() & more.keys()):
        raise UsageError(f"Two things would be called {twice[0]} in the document: give one IAM role another name.")
    known.update(more)


def _variables() -> Block:
    told: Mapping[str, tuple[str, str]] = {
        "lake_bucket": ("string", "The bucket of the lake, which exists."),
        "lake_prefix": ("string", "Where the lake lies in it, without slashes around."),
        "results_bucket": ("string", "The bucket that is made for results of queries."),
        "trail_bucket": ("string", f"The bucket that is made for the trail: what is in it stays {TRAIL_DAYS} days."),
        "writers": ("list(string)", "Names of the roles that write the lake's tables."),
        "deliverers": ("list(string)", "Names of the roles that deliver records."),
        "administrators": ("list(string)", "ARNs of who administers Lake Formation; who applies this must be one."),
        "auditors": ("list(string)", "ARNs of who reads the trail."),
        "trust": (
            "object({ principal = map(string), action = string, condition = map(map(string)) })",
            "How people become their role: from an identity provider or an account. See docs/governance-aws.md.",
        ),
    }
    defaults = {"lake_prefix": "lake", "writers": ["crime-assets-code"], "deliverers": ["crime-assets-firehose"]}
    found: Block = {name: {"type": kind, "description": what} for name, (kind, what) in told.items()}
    for name, value in defaults.items():
        found[name]["default"] = value
    found["trust"]["validation"] = [
        {"condition": f"${{{condition}}}", "error_message": message} for condition, message in _trusted()
    ]
    return found


def _trusted() -> Iterator[tuple[str, str]]:
    """What must hold of the variable `trust`, and what is said if it does not."""
    yield (
        'length(var.trust.condition) > 0 && !contains(values(var.trust.principal), "*")',
        "Say who is trusted, and on what condition, such as SAML:aud.",
    )
    # By another one, such as sts:*, people could pass a tag of their own choice.
    yield (
        f"contains({json.dumps([_BY_ACCOUNT, *_BY_PROVIDER])}, var.trust.action)",
        f"The action must be one of {', '.join([_BY_ACCOUNT, *_BY_PROVIDER])}.",
    )
    # A condition has a key once only: ours would take the place of the operator's.
    own = ["datelessthan aws:currenttime", *(f"stringequals aws:{kind}tag/{WHO.lower()}" for kind in _TAGS)]
    asked = '[for test, told in var.trust.condition : [for key in keys(told) : lower(join(" ", [test, key]))]]'
    yield (
        f"length(setintersection(flatten({asked}), {json.dumps(own)})) == 0",
        f"The policy says who, by StringEquals of the tag {WHO}, and until when, by DateLessThan of aws:CurrentTime: "
        "for an end of your own use DateLessThanEquals.",
    )


def _becoming() -> Block:
    """How people show who they are: the caller's own tag, or one that an identity provider vouches for."""
    is_own = f'var.trust.action == "{_BY_ACCOUNT}"'
    own, vouched = (f'"aws:{kind}Tag/{WHO}"' for kind in ("Principal", "Request"))
    return {
        "who": f"${{{is_own} ? {own} : {vouched}}}",
        "becoming": f'${{{is_own} ? [var.trust.action] : [var.trust.action, "sts:TagSession"]}}',
    }


def _lake(databases: Sequence[str]) -> Part:
    """The lake's bucket, key and role, and that Lake Formation rules over it."""
    policies = {
        "on_lake": documents.on_lake(),
        "lake_key": documents.on_lake_key(),
        "of_lake_role": documents.of_lake_role(),
        "by_lakeformation": documents.by_lakeformation(),
        "of_writer": documents.of_writer(),
    }
    for_writers = {"for_each": "${toset(var.writers)}", "name": "governance", "role": "${each.key}"}
    registered = {"arn": f"{LAKE}/${{var.lake_prefix}}", "role_arn": LAKE_ROLE, "depends_on": _SETTINGS}
    # Without default permissions: new tables are nobody's, not IAMAllowedPrincipals'.
    settings = {"admins": "${var.administrators}", "read_only_admins": documents.WRITERS}
    return {
        "aws_kms_key": {"lake": _key("The lake", "lake_key")},
        "aws_s3_bucket_server_side_encryption_configuration": {"lake": _encrypted("${var.lake_bucket}", LAKE_KEY)},
        "aws_s3_bucket_policy": {"lake": {"bucket": "${var.lake_bucket}", "policy": _json("on_lake")}},
        "aws_iam_role": {
            "lake": {"name": "crime-assets-lakeformation", "assume_role_policy": _json("by_lakeformation")}
        },
        "aws_iam_role_policy": {
            "lake": {"name": "lake", "role": "${aws_iam_role.lake.name}", "policy": _json("of_lake_role")},
            "writers": {**for_writers, "policy": _json("of_writer")},
        },
        "aws_lakeformation_resource": {"lake": registered},
        "aws_lakeformation_data_lake_settings": {"lake": settings},
        "aws_lakeformation_permissions": _writing(databases),
    }, policies


def _writing(databases: Sequence[str]) -> Block:
    """Grants of those who write: all of the tables, and where these lie."""
    by = {
        "for_each": "${toset(var.writers)}",
        "principal": f"arn:{documents.PARTITION}:iam::{ACCOUNT}:role/${{each.key}}",
        "depends_on": _SETTINGS,
    }
    place = {"arn": "${aws_lakeformation_resource.lake.arn}"}
    found: Block = {
        "writers_location": {**by, "permissions": ["DATA_LOCATION_ACCESS"], "data_location": [place]},
        # Whoever makes a database may do all in it: that of masked tables is made when a role first masks.
        "writers_catalog": {**by, "permissions": ["CREATE_DATABASE"], "catalog_resource": True},
    }
    for name in databases:
        in_it = [{"database_name": name, "wildcard": True}]
        of_it = ["ALTER", "CREATE_TABLE", "DESCRIBE"]
        found[f"writers_{name}"] = {**by, "permissions": of_it, "database": [{"name": name}]}
        found[f"writers_{name}_tables"] = {**by, "permissions": ["ALL"], "table": in_it}
    return found


def _results() -> Part:
    """The bucket of answers: each reader's are below a prefix of its own, and gone after some days."""
    expiry = {
        "id": "answers-are-copies",
        "status": "Enabled",
        "filter": [{"prefix": ""}],
        "expiration": [{"days": RESULT_DAYS}],
        "abort_incomplete_multipart_upload": [{"days_after_initiation": 1}],
    }
    return {
        **_bucket("results"),
        "aws_s3_bucket_lifecycle_configuration": {
            "results": {"bucket": "${aws_s3_bucket.results.id}", "rule": [expiry]}
        },
    }, {"on_results": documents.on_results()}


def _trail() -> Part:
    """CloudTrail: who was given what, and each object of the lake and of results that was read. It stays."""
    bucket = _bucket("trail", object_lock_enabled=True)
    locked = {"default_retention": [{"mode": "COMPLIANCE", "days": TRAIL_DAYS}]}
    objects = [
        {"field": "eventCategory", "equals": ["Data"]},
        {"field": "resources.type", "equals": ["AWS::S3::Object"]},
        {"field": "resources.ARN", "starts_with": [f"{LAKE}/", f"{RESULTS}/"]},
    ]
    trail = {
        "name": TRAIL_NAME,
        "s3_bucket_name": "${aws_s3_bucket.trail.id}",
        "kms_key_id": "${aws_kms_key.trail.arn}",
        "enable_log_file_validation": True,
        "include_global_service_events": True,
        "is_multi_region_trail": True,
        "advanced_event_selector": [
            {"name": "management", "field_selector": [{"field": "eventCategory", "equals": ["Management"]}]},
            {"name": "objects", "field_selector": objects},
        ],
        "depends_on": ["aws_s3_bucket_policy.trail"],
    }
    return {
        **bucket,
        "aws_s3_bucket_versioning": {
            "trail": {"bucket": "${aws_s3_bucket.trail.id}", "versioning_configuration": [{"status": "Enabled"}]}
        },
        "aws_s3_bucket_object_lock_configuration": {
            "trail": {"bucket": "${aws_s3_bucket_versioning.trail.bucket}", "rule": [locked]}
        },
        "aws_s3_bucket_server_side_encryption_configuration": {
            "trail": _encrypted("${aws_s3_bucket.trail.id}", "${aws_kms_key.trail.arn}")
        },
        "aws_kms_key": {"trail": _key("The trail", "trail_key")},
        "aws_cloudtrail": {"governance": trail},
    }, {"on_trail": documents.on_trail(), "trail_key": documents.on_trail_key()}


def _reader(reader: Reader) -> Part:
    """A reader's role, key and workgroup, and what it is granted. The prefix keeps its names apart from ours."""
    name = f"reader_{reader.iam_role}"
    key = f"results_key_{reader.iam_role}"
    role = f"${{aws_iam_role.{name}.arn}}"
    configuration = {
        "enforce_workgroup_configuration": True,
        "publish_cloudwatch_metrics_enabled": True,
        "bytes_scanned_cutoff_per_query": MOST_BYTES,
        "engine_version": [{"selected_engine_version": "Athena engine version 3"}],
        "result_configuration": [
            {
                "output_location": f"s3://${{aws_s3_bucket.results.id}}/{reader.iam_role}/",
                "expected_bucket_owner": ACCOUNT,
                "encryption_configuration": [
                    {"encryption_option": "SSE_KMS", "kms_key_arn": f"${{aws_kms_key.{name}.arn}}"}
                ],
            }
        ],
    }
    filters = {f"{name}_{cells.table}": _filter(reader.iam_role, cells) for cells in reader.cells}
    return {
        "aws_iam_role": {name: {"name": reader.iam_role, "assume_role_policy": _trusting(reader)}},
        "aws_iam_role_policy": {
            name: {"name": "governance", "role": f"${{aws_iam_role.{name}.name}}", "policy": _json(name)}
        },
        "aws_kms_key": {name: _key(f"Results of {reader.iam_role}", key)},
        "aws_kms_alias": {
            name: {"name": alias_of(reader.iam_role), "target_key_id": f"${{aws_kms_key.{name}.key_id}}"}
        },
        "aws_athena_workgroup": {name: {"name": reader.iam_role, "configuration": [configuration]}},
        "aws_lakeformation_data_cells_filter": filters,
        "aws_lakeformation_permissions": _granted(reader, name, role),
    }, {name: documents.of_reader(reader), key: documents.on_results_key(role)}


def _filter(name: str, cells: Cells) -> Block:
    rows: Block = {"filter_expression": _plain(cells.rows)} if cells.rows else {"all_rows_wildcard": [{}]}
    table = {
        "table_catalog_id": ACCOUNT,
        "database_name": cells.database,
        "table_name": cells.table,
        "name": name,
        "column_names": sorted(cells.columns),
        "row_filter": [rows],
    }
    return {"table_data": [table], "depends_on": _SETTINGS}


def _granted(reader: Reader, name: str, role: str) -> Block:
    """The grants of a reader: to see that its databases are there, and to select by its filters, or from all tables."""
    by = {"principal": role, "depends_on": _SETTINGS}
    found: Block = {}
    for database in reader.databases:
        found[f"{name}_{database}"] = {**by, "permissions": ["DESCRIBE"], "database": [{"name": database}]}
        if reader.is_unrestricted:
            every = [{"database_name": database, "wildcard": True}]
            found[f"{name}_{database}_tables"] = {**by, "permissions": ["DESCRIBE", "SELECT"], "table": every}
    for cells in reader.cells:
        one = {
            "table_catalog_id": ACCOUNT,
            "database_name": cells.database,
            "table_name": cells.table,
            # A reference: it is there before it is granted.
            "name": f"${{aws_lakeformation_data_cells_filter.{name}_{cells.table}.table_data[0].name}}",
        }
        found[f"{name}_in_{cells.table}"] = {**by, "permissions": ["SELECT"], "data_cells_filter": [one]}
    return found


def _trusting(reader: Reader) -> str:
    """Who may become a reader's role: the principal, as the variable says, until its last day ends (UTC)."""
    own = [f'StringEquals = {{ (local.who) = "{reader.principal}" }}']
    if reader.expires is not None:
        end = f"{reader.expires + timedelta(days=1)}T00:00:00Z"
        own.append(f'DateLessThan = {{ "aws:CurrentTime" = "{end}" }}')
    # The operator's conditions of the same test stay beside ours.
    both = "test => merge(lookup(var.trust.condition, test, {}), told)"
    condition = f"merge(var.trust.condition, {{ for test, told in {{ {', '.join(own)} }} : {both} }})"
    return (
        '${jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = var.trust.principal, '
        f"Action = local.becoming, Condition = {condition} }}] }})}}"
    )


def _bucket(name: str, **more: object) -> dict[str, Block]:
    """A bucket that nothing public reaches, with the document `on_NAME`."""
    here = f"${{aws_s3_bucket.{name}.id}}"
    closed = "block_public_acls block_public_policy ignore_public_acls restrict_public_buckets".split()
    return {
        "aws_s3_bucket": {name: {"bucket": f"${{var.{name}_bucket}}", **more}},
        "aws_s3_bucket_public_access_block": {name: {"bucket": here, **dict.fromkeys(closed, True)}},
        "aws_s3_bucket_policy": {name: {"bucket": here, "policy": _json(f"on_{name}")}},
    }


def _encrypted(bucket: str, key: str) -> Block:
    by_key = {"sse_algorithm": "aws:kms", "kms_master_key_id": key}
    rule = {"bucket_key_enabled": True, "apply_server_side_encryption_by_default": [by_key]}
    return {"bucket": bucket, "rule": [rule]}


def _key(what: str, policy: str) -> Block:
    return {"description": f"crime-assets: {what}", "enable_key_rotation": True, "policy": _json(policy)}


def _json(name: str) -> str:
    """What a document is in AWS's form."""
    return f"${{data.aws_iam_policy_document.{name}.json}}"


def _plain(text: str) -> str:
    """A text from outside in which Terraform finds no template."""
    return text.replace("${", "$${").replace("%{", "%%{")
