"""legacy database → documents → export: only where there is a legacy database."""

import dagster as dg

from crime_assets.defs.assets.common import OWNERS
from crime_assets.defs.names import Names
from crime_assets.migration.progress import Progress
from crime_assets.profiles import Profile
from crime_assets.profiles.legacy import LegacyRoad

GROUP = "legacy"
_POOL = "legacy"
"""A store of documents has one writer, and no table of the lake waits for it."""


def build(names: Names) -> list[dg.AssetsDefinition]:
    """Both assets."""
    return [_documents(names), _export(names)]


def _documents(names: Names) -> dg.AssetsDefinition:
    @dg.asset(key_prefix=names.prefix, group_name=GROUP, kinds={"document"}, owners=OWNERS, pool=_POOL)
    def legacy_documents(
        context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]
    ) -> dg.MaterializeResult[None]:
        """Rows of the legacy database as documents, as of now: several tables together, one document per crime.

        Goes on where it stopped; what has changed is read again.
        """
        from crime_assets.migration.follow import catch_up
        from crime_assets.migration.load import load

        road = LegacyRoad(profile).road
        for warning in road.database.check():
            context.log.warning(warning)
        load(road, lambda _: None)
        changes = catch_up(road)
        progress, lag = road.store.progress() or Progress(), road.database.lag()
        metadata: dict[str, int | str] = {
            "rows": progress.rows,
            "documents": progress.documents,
            "changes": changes,
            "position": str(progress.position),
            "state": lag.state,
        }
        if lag.bytes is not None:
            metadata["bytes_kept"] = lag.bytes
        return dg.MaterializeResult(metadata=metadata)

    return legacy_documents


def _export(names: Names) -> dg.AssetsDefinition:
    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys("legacy_documents"),
        group_name=GROUP,
        kinds={"file"},
        owners=OWNERS,
        pool=_POOL,
    )
    def legacy_export(profile: dg.ResourceParam[Profile]) -> dg.MaterializeResult[None]:
        """The documents that were verified, in the layout of DynamoDB's own exports: CRIME_FEED=legacy reads it."""
        from crime_assets.migration.export import export

        exported = export(LegacyRoad(profile).road)
        return dg.MaterializeResult(metadata={"export": exported.export, "items": exported.items})

    return legacy_export
