"""The resource `work` as assets bring it along."""

from __future__ import annotations

import dagster as dg

from crime_assets.work.choice import work_for

WORK = {
    "work": dg.ResourceDefinition(
        lambda context: work_for(context.resources.profile),
        required_resource_keys={"profile"},
        description="Where the steps that write tables are done.",
    )
}
