"""The comment lines that a file of sql/ begins with."""

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.core.headers import headed

TEXT = """\
-- What it is about,
--   in two lines.
-- @key ward,
--   district
-- @note me@example.org is no @tag
-- @key beat
SELECT 1 -- @key no header
"""


def test_a_file_is_taken_apart():
    found = headed(TEXT, ["key", "note", "other"], "answers")
    assert found.description == "What it is about, in two lines."
    assert found.tags == {"key": ["ward, district", "beat"], "note": ["me@example.org is no @tag"], "other": []}
    assert found.statement == "SELECT 1 -- @key no header"


@pytest.mark.parametrize("text", ["", "SELECT 1", "--\nSELECT 1", "-- @key ward\nSELECT 1"])
def test_a_file_that_does_not_say_what_it_is_about_is_refused(text: str):
    with pytest.raises(UsageError, match="must begin with comment lines that say what it watches"):
        headed(text, ["key"], "watches")
