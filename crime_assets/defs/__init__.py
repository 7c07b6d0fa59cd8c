"""The Dagster side, and the only one: assets, checks, automation, where steps run. No logic worth a unit test."""
