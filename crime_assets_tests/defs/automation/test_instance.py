"""The project's dagster.yaml is valid, and in force wherever a Dagster home links to it."""

from pathlib import Path

import dagster as dg
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

CONFIGURATION = Path(__file__).parents[3] / "dagster.yaml"


def test_the_configuration_is_in_force_in_a_home_that_links_to_it(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").symlink_to(CONFIGURATION)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.telemetry_enabled
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 1
        assert instance.get_settings("schedules") == {"use_threads": True, "num_workers": 2}
        assert instance.get_settings("sensors") == {"use_threads": True, "num_workers": 2}
        assert Path(instance.root_directory) == tmp_path
        assert {path.name for path in tmp_path.iterdir()} > {"dagster.yaml"}, "its files lie beside the link"
