"""What must hold for deliveries: complete, hardly repeated, and of the columns the source is known for."""

from collections.abc import Iterator

import dagster as dg

from crime_assets.checks import verdicts
from crime_assets.checks.results import days_checked, result
from crime_assets.cities import City
from crime_assets.core import keys
from crime_assets.core.batches import load_manifest
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import lines_of, read_inventory

_ASSET = "crime_deliveries"


def build() -> dg.AssetChecksDefinition:
    """The checks of `crime_deliveries`, one step."""

    @dg.multi_asset_check(
        name="check_crime_deliveries",
        specs=[
            dg.AssetCheckSpec("delivery_complete", asset=_ASSET, blocking=True, description="Every promised batch is there."),
            dg.AssetCheckSpec("duplicate_share", asset=_ASSET, description="Few records came more than once."),
            dg.AssetCheckSpec("source_schema", asset=_ASSET, description="The source's columns are those it is known for."),
        ],
    )
    def check_crime_deliveries(
        context: dg.AssetCheckExecutionContext,
        city: dg.ResourceParam[City],
        landing: dg.ResourceParam[LandingStore],
    ) -> Iterator[dg.AssetCheckResult]:
        found = {day: read_inventory(landing, city.name, day) for day in days_checked(context, landing, city)}
        inventories = {day: inventory for day, inventory in found.items() if inventory is not None}
        manifest = landing.read(keys.manifest(city.name, max(found)))
        columns = load_manifest(manifest).columns if manifest is not None else frozenset(city.source_columns)
        lines = lines_of(landing, city.name, inventories.values())
        yield result(_ASSET, "delivery_complete", verdicts.delivery_complete(inventories), blocking=True)
        yield result(_ASSET, "duplicate_share", verdicts.duplicate_share(inventories))
        yield result(_ASSET, "source_schema", verdicts.source_schema(city, columns, lines))

    return check_crime_deliveries
