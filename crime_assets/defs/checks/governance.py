"""What must hold where a policy says who may see what; without one, there are no such checks."""

import dagster as dg

from crime_assets.core.errors import UsageError
from crime_assets.defs.assets.common import access_of
from crime_assets.defs.checks import verdicts
from crime_assets.defs.checks.results import Results, results
from crime_assets.defs.checks.verdicts import Verdict
from crime_assets.defs.names import Names
from crime_assets.profiles import Profile

_ASSET = "governed_gates"
_WARNING = {
    "policy_covers_tables": "Each column of crimes stands in a class of the policy: others are seen by nobody.",
    "gates_hold_only_their_rows": "Each gate has those crimes and versions of each district that the lake has for its "
    "scope, no table besides, no insight of another district, and no masked place stands for fewer than five.",
    "lake_is_closed": "No other account may read the lake, and its disk is encrypted.",
}


def build(names: Names) -> dg.AssetChecksDefinition:
    """The checks of gates, one step."""

    @dg.multi_asset_check(
        name="check_governed_gates",
        specs=[dg.AssetCheckSpec(name, asset=names.key(_ASSET), description=what) for name, what in _WARNING.items()],
        can_subset=True,
    )
    def check_governed_gates(context: dg.AssetCheckExecutionContext, profile: dg.ResourceParam[Profile]) -> Results:
        yield from results(context, profile, _ASSET, _judge(profile))

    return check_governed_gates


def _judge(profile: Profile) -> dict[str, Verdict]:
    from crime_assets.governance.closed import check_closed, is_encrypted
    from crime_assets.governance.gates import seen_columns
    from crime_assets.governance.policy import unclassified
    from crime_assets.governance.upkeep import faults, scopes_of

    access = access_of(profile)
    policy, home = access.policy(), profile.lake.home
    scopes = scopes_of(access, policy, profile.today)
    try:
        check_closed(home)
        opened = ""
    except UsageError as error:
        opened = str(error)
    return {
        "policy_covers_tables": verdicts.policy_covers_tables(
            unclassified(policy, seen_columns(profile.lake, profile.city))
        ),
        "gates_hold_only_their_rows": verdicts.gates_hold_only_their_rows(faults(access.gates, list(scopes.values()))),
        "lake_is_closed": verdicts.lake_is_closed(opened, is_encrypted=is_encrypted(home)),
    }
