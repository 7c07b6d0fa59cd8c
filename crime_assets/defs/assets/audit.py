"""trail → audit, audit_seen, access_review: who saw what, as tables. Only where there is a policy."""

from __future__ import annotations

import dagster as dg

from crime_assets.defs.assets.common import OWNERS, POOL, access_of, table_schema
from crime_assets.defs.names import Names
from crime_assets.governance.audits import write_audit
from crime_assets.governance.review import reviewed, write_review
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.audits import TABLES
from crime_assets.profiles import Profile

GROUP = "audit"


def build(names: Names) -> list[dg.AssetsDefinition]:
    """The two assets."""

    @dg.asset(
        key_prefix=names.prefix,
        group_name=GROUP,
        kinds={"iceberg"},
        owners=OWNERS,
        pool=POOL,
        metadata=_columns("audit"),
    )
    def audit_trail(profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult[None]:
        """Adds the lines of the audit trail that the tables audit and audit_seen lack; nothing of a broken trail.

        Its metadata has the chain's length and the hash of its last line, and no query and no record.
        """
        written = write_audit(access_of(profile).trail, lake, profile.city)
        return dg.MaterializeResult(
            metadata={
                "new_lines": written.new_lines,
                "new_ids": written.new_ids,
                "lines": written.lines,
                "head": written.head,
            }
        )

    @dg.asset(
        key_prefix=names.prefix,
        group_name=GROUP,
        kinds={"iceberg"},
        owners=OWNERS,
        pool=POOL,
        metadata=_columns("access_review"),
    )
    def access_review(profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult[None]:
        """Says of each principal what access there is by the policy, and whether it is used: somebody is to read it.

        A day has one review.
        """
        rows = reviewed(access_of(profile), profile.clock(), profile.today)
        verdicts = [row["verdict"] for row in rows]
        counts = {f"principals {verdict}": verdicts.count(verdict) for verdict in sorted(set(verdicts))}
        return dg.MaterializeResult(metadata={"new_rows": write_review(lake, profile.city, rows), **counts})

    return [audit_trail, access_review]


def _columns(name: str) -> dict[str, dg.TableSchema]:
    return {"dagster/column_schema": table_schema((column.name, column.type, column.doc) for column in TABLES[name])}
