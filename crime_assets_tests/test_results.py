"""RESULTS.md is made in parts; making one anew leaves the other, and what was thrown before, as it was."""

from pathlib import Path

from benchmarks.results import RESULTS, SPEED, THROWN, write_part, write_thrown


def test_the_parts_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"

    write_thrown({"kills": "3", "writers": "4"}, path)
    write_part(SPEED, "| a | b |\n| --- | --- |\n| day | 2 s |\n", path)
    write_thrown({"kills": "5", "disks": "1"}, path)
    write_part(SPEED, "| a | b |\n| --- | --- |\n| day | 2 s |\n", path)

    assert path.read_text() == (
        "# Speed\n\n| a | b |\n| --- | --- |\n| day | 2 s |\n\n"
        "# What was thrown at it\n\nMade by `make stress`; each of these ended as it should.\n\n"
        "| what | how often |\n| --- | --- |\n| kills | 5 |\n| writers | 4 |\n| disks | 1 |\n"
    )


def test_the_kept_results_are_in_that_form(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    path.write_text(RESULTS.read_text())

    write_thrown({}, path)

    assert path.read_text().count(SPEED) == 1
    assert path.read_text().count(THROWN) == 1
