"""What must hold for the audit trail: the chain is whole, and it is the one that the anchors know."""

import dagster as dg

from crime_assets.defs.assets.common import access_of
from crime_assets.defs.names import Names
from crime_assets.profiles import Profile

_MOST_SHOWN = 10


def build(names: Names) -> dg.AssetChecksDefinition:
    """The check of `audit_trail`."""

    @dg.asset_check(
        asset=names.key("audit_trail"),
        name="audit_chain",
        blocking=True,
        description="No line of the audit trail was changed, removed or added, as far as its anchors can tell.",
    )
    def audit_chain(profile: dg.ResourceParam[Profile]) -> dg.AssetCheckResult:
        verdict = access_of(profile).trail.verify()
        problems = "; ".join(verdict.problems[:_MOST_SHOWN]) or "none"
        return dg.AssetCheckResult(
            passed=not verdict.problems,
            metadata={"lines": verdict.lines, "anchored": verdict.anchored, "problems": problems},
        )

    return audit_chain
