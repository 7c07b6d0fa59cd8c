"""What must hold before documents of a legacy database are exported: they are equal to its rows, all of them."""

import dagster as dg

from crime_assets.defs.names import Names
from crime_assets.profiles import Profile
from crime_assets.profiles.legacy import LegacyRoad

_NAMED = 20


def build(names: Names) -> list[dg.AssetChecksDefinition]:
    """The one check."""

    @dg.asset_check(
        asset=names.key("legacy_documents"),
        name="documents_equal_source",
        blocking=True,
        description="At one position of the database, every value of every row is in its document, and nothing else.",
    )
    def documents_equal_source(profile: dg.ResourceParam[Profile]) -> dg.AssetCheckResult:
        from crime_assets.migration.verify import verify

        verdict = verify(LegacyRoad(profile).road, False, lambda _: None)
        # Where they differ, and never what they hold: whoever sees the graph may not see the documents.
        places = [
            " ".join([one.id, ".".join(filter(None, [one.table, one.column])), one.kind]).replace("  ", " ")
            for one in verdict.named[:_NAMED]
        ]
        found = verdict.verified
        told = (
            "Documents and database are not equal: run `crime-assets legacy verify --repair`, which says where."
            if found is None
            else f"All {found.rows:,} rows are equal to their {found.roots:,} documents."
        )
        return dg.AssetCheckResult(
            passed=found is not None,
            severity=dg.AssetCheckSeverity.ERROR,
            description=told,
            metadata={"differences": verdict.differences, "kinds": dict(verdict.by_kind), "places": places},
        )

    return [documents_equal_source]
