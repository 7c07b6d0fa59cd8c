"""Pure functions and plain types. Nothing here touches a disk, a network, Dagster or the environment."""
