"""What kind of crime a report is about, by acts and sections of Indian law: its major head.

Sections are from memory of the texts (IPC 1860, BNS 2023, NDPS, Arms and POCSO acts); a number means nothing without
its act: section 303 is theft in the BNS, and was murder by a life convict in the IPC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

HEADS = (
    *("murder", "dowry death", "attempt to murder", "rape", "child offence", "dacoity", "robbery", "kidnapping"),
    *("molestation", "riot", "burglary", "snatching", "vehicle theft", "theft", "hurt", "cruelty", "cheating"),
    *("narcotics", "arms", "other"),
)
"""All of them; of several the first one counts."""

SENSITIVE = frozenset({"rape", "child offence", "molestation", "dowry death", "cruelty"})
"""Of these, neither place nor complainant enters the stream: section 72 of the BNS forbids what tells who it was."""
MAJOR = frozenset({"murder", "dacoity", "kidnapping", "rape", "child offence", "dowry death", "riot"})
"""Each report of these raises an alert."""
NEAR = frozenset({"burglary", "robbery", "vehicle theft"})
"""Of these, one is often followed by others nearby."""

_HIDDEN = frozenset(
    [
        *(("IPC", one) for one in "304B 354 354A 354B 354C 354D 375 376 376A 376AB 376B 376C 376D 376DA".split()),
        *(("IPC", one) for one in "376DB 376E 377 498A 509".split()),
        *(("BNS", str(one)) for one in (*range(63, 81), 85, 86)),
    ]
)
"""Sections of the chapters on sexual offences and cruelty: more than those that tell the head."""
_HIDDEN_ACTS = frozenset({"POCSO", "JJ", "PCMA", "ITPA"})
"""Acts that are about children or sexual exploitation, whatever the section."""

_SECTIONS: Mapping[str, Mapping[str, str]] = {
    "murder": {"IPC": "302 303 396", "BNS": "103 104"},
    "dowry death": {"IPC": "304B", "BNS": "80"},
    "attempt to murder": {"IPC": "307", "BNS": "109"},
    "rape": {"IPC": "376 376A 376D", "BNS": "64 65 66 70"},
    "child offence": {"POCSO": "4 6 8 10 12"},
    "dacoity": {"IPC": "395 397", "BNS": "310"},
    "robbery": {"IPC": "392 394", "BNS": "309"},
    "kidnapping": {"IPC": "363 364 364A 365 366", "BNS": "137 138 139 140"},
    "molestation": {"IPC": "354 354A 354D 509", "BNS": "74 75 76 78 79"},
    "riot": {"IPC": "147 148", "BNS": "191"},
    "burglary": {"IPC": "454 457 380", "BNS": "331 305"},
    "snatching": {"BNS": "304"},
    "theft": {"IPC": "379", "BNS": "303"},
    "hurt": {"IPC": "323 324 325 326", "BNS": "115 117 118"},
    "cruelty": {"IPC": "498A", "BNS": "85"},
    "cheating": {"IPC": "420", "BNS": "318"},
    "narcotics": {"NDPS": "8 20 21 22 29"},
    "arms": {"ARMS": "25 27"},
}
_HEAD_OF = {
    (act, section): head
    for head, acts in _SECTIONS.items()
    for act, listed in acts.items()
    for section in listed.split()
}
_RANK = {head: rank for rank, head in enumerate(HEADS)}

ACTS = frozenset({act for act, _ in _HEAD_OF})
"""The acts that are known here; a report may name others."""


def head_of(acts: Iterable[tuple[str, str]], *, is_vehicle_stolen: bool) -> str:
    """The major head of acts with their sections; the most serious one counts. Of 303(2), the section is 303."""
    found = min((_HEAD_OF.get(_plain(one), "other") for one in acts), key=_RANK.__getitem__, default="other")
    return "vehicle theft" if found == "theft" and is_vehicle_stolen else found


def is_sensitive(acts: Iterable[tuple[str, str]]) -> bool:
    """True if any of the sections is of a sexual offence, of cruelty or about a child, be another more serious."""
    return any(act in _HIDDEN_ACTS or (act, section) in _HIDDEN for act, section in map(_plain, acts))


def _plain(one: tuple[str, str]) -> tuple[str, str]:
    """An act and its section as they are written here: who writes Bns or I.P.C. must not get past what is hidden."""
    act, section = one
    return act.upper().replace(".", "").strip(), section.partition("(")[0].replace(" ", "").upper()
