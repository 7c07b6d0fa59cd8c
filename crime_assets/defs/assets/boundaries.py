"""portal → landing store: the shapes of the city's areas, for maps. They change about once in ten years."""

import dagster as dg
import orjson

from crime_assets.core import keys
from crime_assets.defs.assets.common import OWNERS
from crime_assets.defs.names import Names
from crime_assets.profiles import Profile
from crime_assets.sources.cities import City
from crime_assets.sources.feeds.boundaries import read_boundaries
from crime_assets.streams import LandingStore

NOTHING_TO_FETCH = (
    "Nothing is fetched: maps show boundaries fetched earlier, else cells. Set CRIME_BOUNDARIES to portal (for a city "
    "whose module says where its boundaries are) or to a directory."
)


def build(names: Names, city: City) -> dg.AssetsDefinition:
    """The asset `boundaries`."""
    asset = dg.asset(key_prefix=names.prefix, group_name="publishing", kinds={"json", city.portal}, owners=OWNERS)
    return asset(boundaries)


def boundaries(
    profile: dg.ResourceParam[Profile], landing: dg.ResourceParam[LandingStore]
) -> dg.MaterializeResult[None]:
    """The city's boundaries, with only as many points as a map needs: a file per layer, written after all are read."""
    city, source = profile.city, profile.boundaries
    if source is None:
        return dg.MaterializeResult(metadata={"areas": 0, "note": NOTHING_TO_FETCH})
    layers = read_boundaries(city, source)
    records = []
    for name, layer in layers.items():
        content = orjson.dumps({"areas": layer.areas})
        key = keys.boundaries(city.name, name)
        landing.write(key, content)
        records.append(
            dg.TableRecord(
                {
                    "layer": name,
                    "areas": len(layer.areas),
                    "points_before": layer.points_before,
                    "points": layer.points,
                    "bytes": len(content),
                    "from": layer.place,
                    "file": landing.location(key),
                }
            )
        )
    return dg.MaterializeResult(
        metadata={
            "areas": sum(len(layer.areas) for layer in layers.values()),
            "points_before": sum(layer.points_before for layer in layers.values()),
            "points": sum(layer.points for layer in layers.values()),
            "layers": dg.MetadataValue.table(records),
        }
    )
