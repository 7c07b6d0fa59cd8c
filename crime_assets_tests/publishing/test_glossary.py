"""The words that pages explain: each once, in a docs page too, and each column that people see has one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from crime_assets.publishing import glossary

DOCS = Path(__file__).parents[2] / "docs" / "words.md"


def test_the_docs_page_is_the_glossary() -> None:
    assert DOCS.read_text(encoding="utf-8") == glossary.markdown(), (
        "python -c \"from crime_assets.publishing.glossary import markdown; print(markdown(), end='')\" > docs/words.md"
    )


def test_every_word_is_explained_once() -> None:
    names = Counter(name.lower() for word in glossary.WORDS for name in (word.name, *word.also))
    assert [name for name, count in names.items() if count > 1] == []
    keys = [word.key for word in glossary.WORDS]
    assert len(set(keys)) == len(keys)
    assert all(key.replace("-", "").isalnum() for key in keys)


@pytest.mark.parametrize("name", ["As-of day", "as of", "KNOWN UP TO"])
def test_a_word_is_found_by_its_names(name: str) -> None:
    found = glossary.word(name)
    assert found is not None
    assert found.key == "as-of-day"


def test_what_is_no_word_of_ours_is_not_explained() -> None:
    assert glossary.word("<script>") is None
