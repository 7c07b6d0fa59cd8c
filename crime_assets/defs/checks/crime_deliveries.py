"""What must hold for deliveries: complete, few duplicates, and the expected source columns."""

import dagster as dg

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest
from crime_assets.defs.checks import verdicts
from crime_assets.defs.checks.results import Results, days_checked, has_days, results
from crime_assets.defs.names import Names
from crime_assets.lakehouse.iceberg.evolution import evolved
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.profiles import Profile
from crime_assets.sources.cities import City
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import read_inventory, take_inventory

_ASSET = "crime_deliveries"
_WARNING = {
    "duplicate_share": "Few records were delivered more than once.",
    "source_schema": "The source has the expected columns, and their values look as expected.",
}


def build(names: Names) -> dg.AssetChecksDefinition:
    """The checks of `crime_deliveries`, one step."""

    @dg.multi_asset_check(
        name="check_crime_deliveries",
        specs=[
            dg.AssetCheckSpec(
                "delivery_complete",
                asset=names.key(_ASSET),
                blocking=True,
                description="Every batch in the manifest was delivered.",
            ),
            *(dg.AssetCheckSpec(name, asset=names.key(_ASSET), description=what) for name, what in _WARNING.items()),
        ],
        can_subset=True,
    )
    def check_crime_deliveries(
        context: dg.AssetCheckExecutionContext,
        city: dg.ResourceParam[City],
        landing: dg.ResourceParam[LandingStore],
        lake: dg.ResourceParam[Lake],
        profile: dg.ResourceParam[Profile],
    ) -> Results:
        inventories = {}
        for day in days_checked(context, landing, city):
            # A check run on its own looks at what is there now, not at what was found when the asset was made.
            taken = read_inventory(landing, city.name, day) if has_days(context) else None
            inventories[day] = taken or take_inventory(landing, city.name, day)
        manifest = landing.read(keys.manifest(city.name, max(inventories)))
        columns = load_manifest(manifest).columns if manifest is not None else frozenset(city.source_columns)
        found = {
            "delivery_complete": verdicts.delivery_complete(inventories),
            "duplicate_share": verdicts.duplicate_share(inventories),
            "source_schema": verdicts.source_schema(city, columns, inventories.values(), evolved(lake, city)),
        }
        yield from results(context, profile, _ASSET, found)

    return check_crime_deliveries
