"""docs/governance-audit.md: its questions, as written there, on the trail of a real Access, asked by an auditor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.governance import confine
from crime_assets.governance.access import Access, Question
from crime_assets.governance.audits import write_audit
from crime_assets.governance.gates import GateMaker
from crime_assets.governance.keys import mask_key
from crime_assets.governance.principals import Who
from crime_assets.governance.review import reviewed, who_saw, write_review
from crime_assets.governance.trail import Trail
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.governance.policies import AUDITED
from crime_assets_tests.lakehouse.lakes import merge

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not confine.landlock_version(), reason="this kernel has no Landlock: nobody is answered here"),
]

PAGE = (Path(__file__).parents[2] / "docs" / "governance-audit.md").read_text()
DAY = date(2024, 1, 25)
FIRST = AUDITED.replace('[principals.keeper]\nrole = "steward"', '[principals.keeper]\nrole = "steward"\nos_user = "k"')
LATER = FIRST.replace(
    'clear = ["open", "origin"]\nmask = { identity = "token", place = "cell", occurred_at = "day" }\n\n[roles.steward]',
    'clear = ["open", "origin", "identity"]\nmask = { place = "cell", occurred_at = "day" }\n\n[roles.steward]',
).replace("expires = 2027-06-30", "expires = 2026-05-20")
"""The analyst sees case numbers."""


@dataclass
class Story:
    """An Access whose clock is set, and what became of its questions."""

    place: Path
    now: datetime = datetime(2026, 5, 1, 9, tzinfo=UTC)
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lake = Lake(self.place / "lake")
        crimes = [record(n, str(DAY), district=("011", "012")[n % 2 == 0]) for n in range(1, 31)]
        merge(self.lake, *(envelope(crime, f"{DAY}", f"{DAY}T23:00:00") for crime in crimes))
        (self.place / "anchors").mkdir()
        self.trail = Trail(self.lake.home / "trail", self.place / "anchors", self.clock)
        self.policy = self.place / "policy.toml"
        home = self.lake.home
        gates = GateMaker(self.lake, CHICAGO, lambda: [DAY], lambda: mask_key(home / "governance"), home / "gates")
        self.access = Access(self.policy, gates, self.today, lambda: DuckDBEngine(self.lake, CHICAGO), self.trail)

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def today(self) -> date:
        return self.now.date()

    def put(self, policy: str) -> None:
        self.policy.write_text(policy)
        self.policy.chmod(0o600)

    def ask(self, what: str, account: str, sql: str, purpose: str = "") -> list[tuple[object, ...]]:
        """The rows of the answer; the number of its line is known by `what` afterwards."""
        try:
            return self.access.answer(Question(Who("peer", account, "pid 1"), sql, purpose=purpose)).rows
        finally:
            (*_, last) = self.trail.entries()
            self.numbers[what] = last.n


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    told = Story(tmp_path_factory.mktemp("questions"))
    told.put(FIRST)
    told.ask("saw", "pdiaz", "SELECT id, case_number FROM crimes WHERE id = 7", "case 12")
    told.ask("other", "pdiaz", "SELECT id FROM crimes WHERE id = 9")
    told.ask("count", "pdiaz", "SELECT count(*) AS n FROM crimes WHERE arrest")
    told.ask("masked", "ana", "SELECT max(case_number) FROM crimes")
    with pytest.raises(UsageError):
        told.ask("told by an error", "pdiaz", "SELECT case_number::INT FROM crimes")
    with pytest.raises(UsageError):
        told.ask("stranger", "mallory", "SELECT 1")
    for _ in range(2):
        told.trail.append("login_failed", account="mallory", how="oidc", source="10.0.0.9", reason="no such subject")
    told.now = datetime(2026, 5, 4, 9, tzinfo=UTC)
    told.put(LATER)
    told.ask("unmasked", "ana", "SELECT district FROM crimes WHERE case_number LIKE 'H%'")
    told.ask("steward", "k", "SELECT count(*) FROM crimes", "audit of May")
    told.numbers["download"] = told.trail.append(
        "download", principal="p.diaz", role="commander", tables=["insight_crime_summary"], rows=5000, bytes=70_000
    ).n
    told.trail.anchor()
    verdict = told.trail.verify()
    told.numbers["verify"] = told.trail.append(
        "verify", account="root", lines=verdict.lines, anchored=verdict.anchored, problems=len(verdict.problems)
    ).n
    told.ask("read", "auditor", "SELECT count(*) FROM audit")
    # Half of a character, which no table can hold.
    told.numbers["half a character"] = told.trail.append("ask", account="mallory", sql="SELECT '\ud800'").n
    told.numbers["cut off"] = told.trail.append("ask", account="pdiaz", sql="SELECT 2").n
    write_audit(told.trail, told.lake, CHICAGO)
    write_review(told.lake, CHICAGO, reviewed(told.access, told.now, told.now.date()))
    yield told
    told.access.close()


def asked(heading: str, number: int = 0) -> str:
    """A block of SQL of the page."""
    section = PAGE.split(f"### {heading}\n")[1].split("\n### ")[0]
    return re.findall(r"```sql\n(.*?)```", section, re.DOTALL)[number]


def answered(story: Story, heading: str, number: int = 0) -> list[tuple[object, ...]]:
    """What an auditor is told, through the gate and the confined worker."""
    return story.access.answer(Question(Who("peer", "auditor", "pid 2"), asked(heading, number))).rows


def test_every_question_of_the_page_is_in_a_test() -> None:
    source = Path(__file__).read_text()
    headings = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
    assert len(headings) == 11
    assert [heading for heading in headings if f'"{heading}"' not in source] == []
    assert PAGE.count("```sql") == len(headings) + 1


def test_who_saw_a_crime(story: Story) -> None:
    found = answered(story, "Who saw a crime between two times, or could have?")
    seen = {number: exactly for number, *_, exactly in found}
    could = ("other", "count", "masked", "told by an error", "unmasked", "steward")
    assert seen == {story.numbers["saw"]: True, **{story.numbers[what]: False for what in could}}
    from_trail = {sight.entry.n: sight.exact for sight in who_saw(story.trail, 7)}
    assert from_trail == seen


def test_what_somebody_saw(story: Story) -> None:
    found = answered(story, "What did somebody see in a week?")
    assert found == [
        (
            story.numbers["saw"],
            "answer",
            '["crimes.case_number", "crimes.id"]',
            1,
            "SELECT id, case_number FROM crimes WHERE id = 7",
        ),
        (story.numbers["other"], "answer", '["crimes.id"]', 1, "SELECT id FROM crimes WHERE id = 9"),
        (story.numbers["count"], "answer", '["crimes.arrest"]', 1, "SELECT count(*) AS n FROM crimes WHERE arrest"),
        (
            story.numbers["told by an error"],
            "refuse",
            '["crimes.case_number"]',
            None,
            "SELECT case_number::INT FROM crimes",
        ),
        (story.numbers["download"], "download", None, 5000, None),
    ]


def test_who_asked_for_case_numbers(story: Story) -> None:
    found = answered(story, "Who asked for case numbers unmasked?")
    assert [(n, who, event) for n, who, _, event, _ in found] == [
        (story.numbers["saw"], "p.diaz", "answer"),
        (story.numbers["told by an error"], "p.diaz", "refuse"),
        (story.numbers["unmasked"], "ana", "answer"),
        (story.numbers["steward"], "keeper", "answer"),
    ]


def test_who_read_the_trail(story: Story) -> None:
    found = answered(story, "Who read the trail?")
    assert [(n, who) for n, who, *_ in found] == [
        (story.numbers["steward"], "keeper"),
        (story.numbers["verify"], "root"),
        (story.numbers["read"], "auditor"),
    ]


def test_who_was_refused(story: Story) -> None:
    found = answered(story, "Who was refused, and whose logins failed?")
    assert [row[:3] for row in found] == [("mallory", 1, 2), ("p.diaz", 1, 0)]


def test_whose_access_is_not_used(story: Story) -> None:
    found = answered(story, "Whose access is not used, has ended, or ends soon?")
    assert [(who, expires, verdict) for who, expires, _, verdict in found] == [
        ("desk", None, "never used"),
        ("p.diaz", date(2026, 5, 20), "expires within 30 days"),
    ]


def test_what_somebody_could_see(story: Story) -> None:
    ((policy, role, rows, case_number),) = answered(story, "What could somebody see on a day?")
    assert (role, rows, case_number) == ("analyst", "TRUE", "keyed_hash (length 16)")
    assert policy == next(entry for entry in story.trail.entries() if entry.event == "policy_changed").fields["policy"]


def test_which_were_large(story: Story) -> None:
    found = answered(story, "Which answers and downloads were large?")
    download = (story.numbers["download"], "p.diaz", "download", 5000, 70_000, None)
    assert sorted(found) == [(story.numbers["steward"], "keeper", "answer", None, None, "audit of May"), download]


def test_nothing_was_answered_without_a_line(story: Story) -> None:
    heading = "Was anything answered while the trail was down?"
    assert answered(story, heading) == []
    assert answered(story, heading, 1) == [
        (story.numbers["half a character"], "mallory", "SELECT '\\ud800'"),
        (story.numbers["cut off"], "pdiaz", "SELECT 2"),
    ]


def test_which_policy_let_it_through(story: Story) -> None:
    ((n, since, policy, case_number),) = answered(story, "Which change of the policy let this through?")
    changed = [entry for entry in story.trail.entries() if entry.event == "policy_changed"]
    assert (n, policy, case_number) == (changed[1].n, changed[1].fields["policy"], "clear")
    assert since == datetime.fromisoformat(changed[1].at)


def test_the_chain(story: Story) -> None:
    ((lines, broken, anchored, _),) = answered(story, "Is the chain whole, and up to which anchor?")
    assert (lines, broken, anchored) == (story.numbers["cut off"], 0, str(story.numbers["verify"] - 1))


def test_a_gate_is_told_when_it_is_made(story: Story) -> None:
    told = [entry for entry in story.trail.entries() if entry.n <= story.numbers["cut off"]]
    built = Counter(entry.fields["role"] for entry in told if entry.event == "gate_built")
    assert built == {"commander": 1, "analyst": 2, "auditor": 1}
    for entry in told:
        if entry.event == "answer" and entry.fields["role"] != "steward":
            assert entry.fields["gate"] in {earlier.fields.get("gate") for earlier in told if earlier.n < entry.n}
