"""The command under a policy: who asks sees what is theirs, and all of it is on the trail."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from crime_assets.cli.main import main
from crime_assets.core.errors import LakeError
from crime_assets.governance import confine
from crime_assets.governance.gates import Gate, GateMaker
from crime_assets.governance.scopes import Scope
from crime_assets.governance.trail import Trail
from crime_assets.lakehouse.schema_forecasts import FORECASTS
from crime_assets.profiles import Profile, Settings
from crime_assets_tests.build import CHICAGO, record, write_export
from crime_assets_tests.governance.policies import TEXT
from crime_assets_tests.publishing.forecasts_made import put

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not confine.landlock_version(), reason="this kernel has no Landlock: nobody is answered here"),
]

PROJECT = Path(__file__).parents[2]
ME = pwd.getpwuid(os.geteuid()).pw_name
Told = tuple[int, str, str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of 60 crimes, 20 in each of three districts."""
    place = tmp_path_factory.mktemp("access")
    days = [f"2024-01-{20 + n % 3}" for n in range(60)]
    crimes = [
        record(n + 1, day, "2024-01-03", district=("011", "012", "025")[n % 3], arrest=n < 6)
        for n, day in enumerate(days)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRIME_HOME", str(place / "lake"))
        patch.setenv("CRIME_FEED", "export")
        patch.setenv("CRIME_EXPORT", str(write_export(place / "crimes.csv", crimes)))
        assert main(["run", "--no-insights", "--from", "2024-01-21", "--to", "2024-01-22"]) == 0
    return place / "lake"


@pytest.fixture
def policy(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a policy in force in which the account of these tests is what pdiaz is in the shared one."""
    path = tmp_path / "policy.toml"
    monkeypatch.setenv("CRIME_HOME", str(home))
    monkeypatch.setenv("CRIME_POLICY", str(path))
    monkeypatch.setenv("CRIME_AUDIT_ANCHOR", str(tmp_path))

    def put(text: str = TEXT) -> Path:
        path.write_text(text.replace("pdiaz", ME))
        path.chmod(0o600)
        return path

    put()
    return put


@pytest.fixture
def run(policy: Callable[[str], Path], capfd: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    def call(*arguments: str) -> Told:
        capfd.readouterr()
        code = main(list(arguments))
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


def lines(home: Path) -> list[dict[str, object]]:
    return [{"event": entry.event, **entry.fields} for entry in Trail(home / "trail").entries()]


def test_a_commander_sees_the_own_district(run: Callable[..., Told], home: Path) -> None:
    before = len(lines(home)) if (home / "trail").exists() else 0
    asked = "SELECT district, count(*) AS n FROM crimes GROUP BY ALL"
    assert run("query", "--format", "csv", asked) == (0, "district,n\n011,20\n", "")
    ask, *told, answer = lines(home)[before:]
    assert (ask["event"], ask["account"], ask["sql"]) == ("ask", ME, asked)
    assert {line["event"] for line in told} <= {"policy_changed", "gate_built"}
    expected = {
        "event": "answer",
        "principal": "p.diaz",
        "role": "commander",
        "districts": ["011"],
        "sql_sha256": ask["sql_sha256"],
        "tables": ["crimes"],
        "columns": ["district", "n"],
        "columns_read": ["crimes.district"],
        "ids_exact": False,
        "rows": 1,
        "asked": before + 1,
    }
    assert {name: answer[name] for name in expected} == expected


@pytest.fixture
def forecasts(home: Path) -> Iterator[None]:
    """Forecasts of the whole city in the lake, which these tests' crimes are too few for."""
    profile = Profile(Settings(home=home))
    put(profile)
    yield
    for name in FORECASTS:
        profile.lake.catalog.drop_table(("chicago", name))


@pytest.mark.usefixtures("forecasts")
def test_only_who_sees_the_lake_itself_sees_forecasts(run: Callable[..., Told], policy: Callable[[str], Path]) -> None:
    for principal in ('role = "commander"\ndistricts = ["011"]', 'role = "analyst"'):
        policy(TEXT.replace('role = "commander"\ndistricts = ["011"]', principal))
        for name in FORECASTS:
            code, out, error = run("query", f"SELECT count(*) AS n FROM {name}")
            assert (code, out) == (2, ""), error
            assert f"Table with name {name} does not exist" in error
        code, out, _ = run("query", "--format", "csv", "SELECT table_name FROM duckdb_tables()")
        assert (code, "insight_crime_summary" in out, "forecast" in out) == (0, True, False)
    policy(TEXT.replace('role = "commander"\ndistricts = ["011"]', 'role = "steward"'))
    assert run("query", "--format", "csv", "SELECT count(*) AS n FROM forecast_totals") == (0, "n\n15\n", "")


def test_who_is_nobody_cannot_fill_the_trail(
    run: Callable[..., Told], policy: Callable[[str], Path], home: Path
) -> None:
    long = f"SELECT '{'x' * 5_000}' AS x, id FROM crimes"
    assert run("query", long)[0] == 0
    policy(TEXT.replace("pdiaz", "somebody"))
    assert run("query", "--purpose", "y" * 5_000, long)[0] == 2
    told = [line for line in lines(home) if len(str(line.get("sql"))) > 900]
    assert [(line["event"], line["sql"], line["sql_sha256"]) for line in told] == [
        ("ask", long, told[0]["sql_sha256"]),
        ("ask", long[:1_000], told[0]["sql_sha256"]),
    ]
    assert max(len(str(line.get("purpose"))) for line in lines(home)) == 1_000


def test_the_trail_knows_which_crimes_were_seen(run: Callable[..., Told], home: Path) -> None:
    assert run("query", "SELECT id, beat FROM crimes WHERE arrest ORDER BY id")[0] == 0
    (*_, entry) = Trail(home / "trail").entries()
    assert sorted(Trail(home / "trail").ids(entry) or []) == [1, 4]
    assert entry.fields["columns_read"] == ["crimes.arrest", "crimes.beat", "crimes.id"]
    assert run("query", "SELECT id + 1 AS id FROM crimes")[0] == 0
    (*_, entry) = Trail(home / "trail").entries()
    assert (entry.fields["ids_exact"], "seen" in entry.fields) == (False, False)
    code, _, told = run("query", "SELECT CAST(case_number AS INT) FROM crimes")
    assert (code, "Could not convert string" in told) == (2, True)
    (*_, entry) = Trail(home / "trail").entries()
    assert entry.fields["reason"] == "The query cannot be answered: Conversion Error"
    assert (entry.event, entry.fields["principal"], entry.fields["columns_read"]) == (
        "refuse",
        "p.diaz",
        ["crimes.case_number"],
    )


def test_what_each_policy_said_is_on_the_trail_once(
    run: Callable[..., Told], policy: Callable[[str], Path], home: Path
) -> None:
    def told() -> list[dict[str, object]]:
        return [line for line in lines(home) if line["event"] == "policy_changed"]

    before = len(told())
    for text in (TEXT + "\n", TEXT + "\n", TEXT + "\n\n", TEXT + "\n"):
        policy(text)
        run("query", "SELECT 1")
        assert lines(home)[-1]["policy"] == told()[-1]["policy"]
    assert len(told()) == before + 3
    principals, scopes = told()[-1]["principals"], told()[-1]["scopes"]
    assert isinstance(principals, dict)
    assert isinstance(scopes, dict)
    diaz = principals["p.diaz"]
    assert diaz == {
        "role": "commander",
        "districts": ["011"],
        "scope": diaz["scope"],
        "recognised": f"account {ME}",
        "expires": "2027-06-30",
    }
    seen = scopes[diaz["scope"]]
    assert (seen["rows"], seen["columns"]["case_number"], seen["columns"]["latitude"]) == (
        "\"district\" IN ('011')",
        "clear",
        "h3_center (resolution 8)",
    )
    assert principals["keeper"]["scope"] == "the lake itself"


@pytest.mark.parametrize("times", [1, 2])
def test_a_gate_that_is_removed_before_it_is_asked_is_made_again(
    run: Callable[..., Told], home: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Once: whoever removes it as fast as it is made has to be told."""
    find, found = GateMaker.gate, list[Gate]()

    def removed(self: GateMaker, scope: Scope, day: date | None = None) -> Gate:
        found.append(find(self, scope, day))
        if len(found) <= times:
            shutil.rmtree(found[-1].place)
        return found[-1]

    monkeypatch.setattr(GateMaker, "gate", removed)
    code, out, error = run("query", "SELECT count(*) AS n FROM crimes", "--format", "csv")
    assert len(found) == 2
    if times == 1:
        assert (code, out) == (0, "n\n20\n")
        assert lines(home)[-1]["gate"] == found[1].state
    else:
        assert (code, out) == (1, "")
        assert "made anew: ask again" in error


def test_what_is_refused_is_on_the_trail_too(
    run: Callable[..., Told], policy: Callable[[str], Path], home: Path
) -> None:
    for arguments, said in (
        (["SELECT record_md5 FROM crimes"], "record_md5"),
        (["SELECT * FROM crimes_quarantine"], "does not exist"),
        (["--as-of", "2024-01-21", "SELECT 1"], "leave out --as-of"),
    ):
        code, out, err = run("query", *arguments)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert said in err
        assert lines(home)[-1]["event"] == "refuse"
    policy(TEXT.replace('os_user = "pdiaz"', ""))
    code, out, err = run("query", "SELECT 1")
    assert (code, out) == (2, "")
    assert "not in the policy" in err
    assert (lines(home)[-1]["account"], lines(home)[-1]["event"]) == (ME, "refuse")


def test_who_may_asks_as_of_a_change_day(run: Callable[..., Told], policy: Callable[[str], Path], home: Path) -> None:
    policy(TEXT.replace("[roles.commander]", "[roles.commander]\nas_of = true").replace('["011"]', '["012"]'))
    asked = "SELECT count(*) AS n FROM crimes"
    assert run("query", "--format", "csv", "--as-of", "2024-01-20", asked) == (0, "n\n0\n", "")
    assert run("query", "--format", "csv", "--as-of", "2024-01-22", asked) == (0, "n\n20\n", "")
    assert [line["as_of"] for line in lines(home) if line["event"] == "ask"][-1] == "2024-01-22"
    for as_of in ("123456789", "2024-01-21T12:00:00"):
        code, _, err = run("query", "--as-of", as_of, asked)
        assert (code, "change day only" in err) == (2, True)


def test_a_steward_says_what_for(run: Callable[..., Told], policy: Callable[[str], Path], home: Path) -> None:
    steward = TEXT.replace('role = "commander"\ndistricts = ["011"]', 'role = "steward"')
    policy(steward.replace('clear = ["*"]', 'clear = ["*"]\npurpose_required = true'))
    asked = "SELECT count(*) AS n FROM crimes"
    code, _, err = run("query", asked)
    assert (code, "--purpose" in err) == (2, True)
    assert run("query", "--format", "csv", "--purpose", "case 7", asked) == (0, "n\n60\n", "")
    ask, answer = lines(home)[-2:]
    assert (ask["purpose"], answer["scope"]) == ("case 7", "the lake itself")
    assert (answer["tables"], answer["columns_read"], answer["ids_exact"]) == (["*"], ["*"], False)


def test_where_the_trail_cannot_be_written_nothing_is_answered(
    run: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def fails_at(event: str) -> Callable[..., object]:
        append = Trail.append

        def stand_in(self: Trail, what: str, **fields: object) -> object:
            written.append(what)
            if what == event:
                raise LakeError("The audit trail cannot be written, so nothing is answered: mend that.")
            return append(self, what, **fields)

        return stand_in

    for event, seen in (("ask", ["ask"]), ("answer", ["ask", "answer", "refuse"])):
        written.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Trail, "append", fails_at(event))
            code, out, err = run("query", "SELECT 1 AS one")
        assert (code, out, [what for what in written if what != "policy_changed"]) == (1, "", seen)
        assert "nothing is answered" in err


def test_a_policy_is_checked_and_explained(run: Callable[..., Told], policy: Callable[[str], Path]) -> None:
    code, out, _ = run("policy", "check")
    assert code == 0
    assert "primary_type_published, year" in out
    code, out, _ = run("policy", "explain", "ana")
    said = {line.split("  ")[0].strip(): line for line in out.splitlines()}
    assert "masked: keyed_hash (length 16)" in said["column case_number"]
    assert "hidden" in said["column block"]
    assert "hidden" in said["table insight_repeat_blocks"]
    assert "without 1 column" in said["table insight_crime_summary"]
    assert "all" in said["rows"]
    assert "block say more" in run("policy", "explain", "p.diaz")[1]
    assert "the lake itself" in run("policy", "explain", "keeper")[1]
    code, _, err = run("policy", "explain", "nobody")
    assert (code, "not in the policy" in err) == (2, True)
    policy(TEXT.replace("version = 1", "version = 9"))
    assert run("policy", "check")[0] == 2


def test_the_trail_is_verified(run: Callable[..., Told], home: Path) -> None:
    run("query", "SELECT 1")
    code, out, _ = run("audit", "verify")
    assert (code, "none" in out) == (0, True)
    assert {name: lines(home)[-1][name] for name in ("event", "account", "problems")} == {
        "event": "verify",
        "account": ME,
        "problems": 0,
    }
    newest = max((home / "trail").glob("*.jsonl"))
    whole = newest.read_bytes()
    newest.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    code, out, _ = run("audit", "verify")
    newest.write_bytes(whole)
    assert (code, "is missing" in out) == (1, True)


def test_who_saw_a_crime_and_whether_access_is_used(run: Callable[..., Told], home: Path) -> None:
    assert run("query", "SELECT id FROM crimes WHERE id = 7")[0] == 0
    (*_, answer) = Trail(home / "trail").entries()
    code, out, _ = run("access", "who", "7")
    said = {line.split()[0]: line for line in out.splitlines()[2:]}
    assert (code, "saw it" in said[str(answer.n)], "p.diaz" in said[str(answer.n)]) == (0, True, True)
    assert "saw it" not in run("access", "who", "8")[1]
    code, out, _ = run("access", "review")
    assert (code, next(line for line in out.splitlines() if line.startswith("p.diaz")).endswith("in use")) == (0, True)
    told = lines(home)[-3:]
    assert [(line["event"], line["account"], line["reason"]) for line in told] == [
        ("trail_read", ME, "access who 7"),
        ("trail_read", ME, "access who 8"),
        ("trail_read", ME, "access review"),
    ]


def test_nothing_else_shows_rows(run: Callable[..., Told], home: Path) -> None:
    code, _, err = run("dashboard", "--port", "0")
    assert (code, "all districts" in err) == (2, True)
    assert "policy.toml" in run("status")[1]


def test_without_a_policy_all_is_as_it_was(run: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRIME_POLICY")
    assert run("query", "--format", "csv", "SELECT count(*) AS n FROM crimes")[1] == "n\n60\n"
    assert "no policy" in run("status")[1]
    code, _, err = run("policy", "check")
    assert (code, "set CRIME_POLICY" in err) == (2, True)


def test_the_shared_policy_is_one(home: Path, policy: Callable[[str], Path], run: Callable[..., Told]) -> None:
    """The file that people copy."""
    shipped = PROJECT / "deploy" / "governance" / "policy.toml"
    policy(shipped.read_text())
    assert run("policy", "check")[0] == 0
    assert CHICAGO.name in shipped.read_text()
    assert json.loads(run("query", "--format", "json", "SELECT count(*) AS n FROM crimes")[1]) == [{"n": 20}]


def test_the_matrix_is_the_one_that_was_decided(
    tmp_path: Path, policy: Callable[[str], Path], run: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table or column that is new turns this red, until somebody says in the policy what it is: then write the page
    anew with `crime-assets policy matrix`.
    """
    monkeypatch.setenv("CRIME_HOME", str(tmp_path / "none"))  # the schema, and nothing of a lake's own
    policy((PROJECT / "deploy" / "governance" / "policy.toml").read_text())
    code, out, _ = run("policy", "matrix")
    page = (PROJECT / "docs" / "governance-matrix.md").read_text()
    assert code == 0
    assert page.split("```text\n")[1] == f"{out}```\n"
