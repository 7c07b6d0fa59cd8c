"""source ↔ crimes: finds and corrects what the source removed or what changed unnoticed."""

import dagster as dg

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.assets.common import OWNERS, POOL, preview
from crime_assets.defs.names import Names
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.limits import Limits
from crime_assets.lakehouse.reconciliation.reconcile import Comparison, compare, merge_landed
from crime_assets.lakehouse.reconciliation.removal import Removal, remove
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.profiles import Profile
from crime_assets.sources.feeds import PublishedFeed, StampedFeed
from crime_assets.streams import LandingStore, Stream
from crime_assets.streams.inventory import merged_days
from crime_assets.streams.pull import pull

NOT_SEEN = (
    "Months are compared by their number of records and the sums of the parts of their change stamps: an edit that "
    "kept its stamp is not seen, nor one crime in place of another with the same stamp."
)


class ReconciliationConfig(dg.Config):
    """Limits that a person sets for one run, after checking the portal; by default the lake's size sets them."""

    most_removed: int | None = None
    most_pulled: int | None = None


def build(names: Names) -> dg.AssetsDefinition:
    """The asset `crime_reconciliation`."""
    asset = dg.asset(
        key_prefix=names.prefix,
        deps=names.keys("crimes"),
        group_name="lake",
        kinds={"python", "iceberg", "duckdb"},
        owners=OWNERS,
        pool=POOL,
    )
    return asset(crime_reconciliation)


def crime_reconciliation(
    context: dg.AssetExecutionContext,
    config: ReconciliationConfig,
    profile: dg.ResourceParam[Profile],
    feed: dg.ResourceParam[StampedFeed | PublishedFeed],
    landing: dg.ResourceParam[LandingStore],
    stream: dg.ResourceParam[Stream],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Compares the lake with its source, month by month: pulls what is missing, removes what the source removed.

    Removed crimes are kept in crimes_removed. If the source lacks too much to be believed, nothing is changed.
    """
    city = profile.city
    days = merged_days(landing, city.name)
    if history_before(lake, city) is None or not days:
        raise CrimeAssetsError("The lake has no change day to compare yet: run one, then reconcile.")
    # Real crimes are never compared with simulated ones.
    profile.begin(profile.first_change_day)
    found = compare(lake, city, feed, days[-1], Limits(config.most_removed, config.most_pulled))
    marks = {"run-id": context.run.run_id}
    inserted = replaced = removed = 0
    if found.missing:
        now, undated = profile.clock(), feed.undated()
        pull(found.missing, feed.columns(), city, found.until, found.until, landing, stream, now, undated)
        merged = merge_landed(lake, city, landing, found.until, marks)
        inserted, replaced = merged.inserted, merged.replaced
    if found.gone:
        removed = remove(lake, city, Removal(found.gone, found.until, profile.clock()), marks)
    return dg.MaterializeResult(
        metadata={
            "changes_up_to": found.until.isoformat(),
            "rows_compared": found.rows,
            "months_compared": len(found.months),
            "months_that_differ": len(found.differing),
            "months_restamped": sum(month.restamped for month in found.months),
            "newer_here": found.newer_here,
            "not_seen": NOT_SEEN,
            "missing_pulled": len(found.missing),
            "rows_inserted": inserted,
            "rows_replaced": replaced,
            "removed": removed,
            "preview": _by_month(found),
        }
    )


def _by_month(found: Comparison) -> dg.MarkdownMetadataValue:
    """The months that differ, then the newest others."""
    months = [*found.differing, *(month for month in found.months if month not in found.differing)]
    return preview(
        ["month", "source", "lake", "difference", "stamps"],
        [
            (
                f"{month.month:%Y-%m}" if month.month else "none",
                month.source,
                month.lake,
                month.source - month.lake,
                "edited" if month.restamped else "",
            )
            for month in months
        ],
    )
