"""Who becomes the champion, in words; promotions and rollbacks with their trace."""

import json
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import ConfigError, GateError
from headrace.evaluation.comparison import Comparison
from headrace.paths import Paths
from headrace.tracking.client import connect
from headrace.tracking.registry import CHAMPION, Registry, Version
from headrace.tracking.served.champion import decide_champion, promote_version, read_decision, roll_back


def version(number: int, **tags: str) -> Version:
    return Version("shapes", number, "", "", "", {}, tags)


@pytest.mark.parametrize(
    ("comparison", "verdict", "sentence"),
    [
        (
            Comparison(0.001, 0.009, 300),
            "not worse",
            "champion, not worse than shapes version 1 (loss 0.0010, at most ",
        ),
        (Comparison(0.05, 0.07, 300), "worse", "not champion: worse than shapes version 1 (loss 0.0500"),
        (Comparison(0.0, 0.07, 0), "too few rows", "not champion: too few rows to say that it is not worse than"),
    ],
)
def test_decision_is_in_words(comparison: Comparison, verdict: str, sentence: str) -> None:
    decision = decide_champion(version(2), version(1), comparison, margin=0.01)
    assert (decision.verdict, decision.is_champion) == (verdict, verdict == "not worse")
    assert decision.sentence.startswith(sentence)
    assert decision.metrics == {
        "champion_difference": comparison.difference,
        "champion_bound": comparison.upper_bound,
    }
    tags = decision.to_tags()
    stored = Version("shapes", 2, "", "", "", json.loads(tags["headrace.comparison"]), tags)
    promoted = decision._replace(verdict="promoted", sentence="champion, promoted by a person")
    assert read_decision(stored) == (decision if verdict == "not worse" else promoted)
    stored.tags["promoted.20260101T000000.000000Z"] = "by ann"
    assert read_decision(stored) == promoted


def test_decision_without_a_comparison() -> None:
    assert decide_champion(version(1), None, None, margin=0.01).verdict == "first"
    other = decide_champion(version(2), version(1), None, margin=0.01, reason="has another task")
    assert (other.verdict, other.is_champion) == ("not compared", True)
    assert other.sentence == "champion without a comparison: shapes version 1 has another task"
    infinite = decide_champion(version(2), version(1), Comparison(0.1, float("inf"), 1), margin=0.01)
    assert (infinite.verdict, infinite.metrics) == ("worse", {}), "JSON has no infinity"


def test_version_that_a_person_rolled_back_stays_so_until_it_is_promoted() -> None:
    better = Comparison(-0.5, -0.4, 300)
    rolled_back = {"rolled_back.20260101T000000.000000Z": "by ann"}
    assert decide_champion(version(2, **rolled_back), version(1), better, margin=0.01).verdict == "rolled back"
    promoted = {**rolled_back, "promoted.20260102T000000.000000Z": "by ann"}
    assert decide_champion(version(2, **promoted), version(1), better, margin=0.01).verdict == "not worse"


@pytest.fixture
def registry(tmp_path: Path, empty_registry: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry of three versions, of which the first is the champion, and the third failed the gate."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(empty_registry.read_bytes())
    paths = Paths(tmp_path)
    client = connect(paths)
    client.create_registered_model("shapes")
    tags: list[dict[str, str]] = [
        {"gate.verdict": "passed"},
        {"gate.verdict": "too few rows", "champion.verdict": "worse", "champion.sentence": "worse than version 1"},
        {"gate.verdict": "failed"},
        {},
    ]
    for each in tags:
        client.create_model_version("shapes", source=str(tmp_path), tags=each)
    client.set_registered_model_alias("shapes", CHAMPION, "1")
    return Registry(paths)


def promote(registry: Registry, tmp_path: Path, number: int, **options: Any) -> str:
    chosen = registry.find_version("shapes", str(number))
    assert chosen is not None
    return promote_version(Paths(tmp_path), registry, chosen, **{"force": False, "reason": "", **options})


@pytest.mark.slow
def test_server_keeps_the_trace_too(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server()[0])
    paths = Paths(tmp_path)
    client = connect(paths)
    client.create_registered_model("shapes")
    for _ in range(2):
        client.create_model_version("shapes", source="s3://bucket/shapes", tags={"gate.verdict": "passed"})
    registry = Registry(paths)
    for number in (1, 2):
        promote(registry, tmp_path, number)
    roll_back(paths, registry, "shapes", reason="")
    assert registry.find_champion("shapes").number == 1
    second = registry.find_version("shapes", "2")
    assert {name.partition(".")[0] for name in second.tags} == {"gate", "promoted", "champion", "rolled_back"}


@pytest.mark.parametrize(
    ("number", "objection"),
    [
        (2, "register decided against it: worse than version 1"),
        (3, "it failed the gate"),
        (4, "its gate is not known"),
    ],
)
def test_version_that_was_judged_against_needs_force(
    registry: Registry, tmp_path: Path, number: int, objection: str
) -> None:
    with pytest.raises(GateError, match=f"^shapes version {number}: {objection}.*; to overrule: --force --reason"):
        promote(registry, tmp_path, number)
    assert registry.find_champion("shapes").number == 1
    assert promote(registry, tmp_path, number, force=True, reason="the rows of today") == (
        f"shapes version {number} is champion in place of version 1"
    )
    champion = registry.find_champion("shapes")
    assert champion.number == number
    (trace,) = [value for name, value in champion.tags.items() if name.startswith("promoted.")]
    assert trace.startswith("in place of version 1; by ")
    assert "reason: the rows of today; overruled: " in trace
    assert objection in trace
    first = registry.find_version("shapes", "1")
    (replaced,) = [value for name, value in first.tags.items() if name.startswith("replaced.")]
    assert replaced.startswith(f"in favour of version {number}; by ")


def test_rollback_goes_to_the_champion_before_and_leaves_a_trace(registry: Registry, tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with pytest.raises(ConfigError, match="^shapes version 1: no champion before it is recorded; choose one: headrace"):
        roll_back(paths, registry, "shapes", reason="")
    promote(registry, tmp_path, 2, force=True, reason="try it")
    with pytest.raises(ConfigError, match="^shapes version 2: is the champion already"):
        promote(registry, tmp_path, 2)
    promote(registry, tmp_path, 3, force=True, reason="and this")
    for number in (2, 1):
        assert roll_back(paths, registry, "shapes", reason="complaints").startswith(f"shapes version {number} is champ")
        assert registry.find_champion("shapes").number == number
    second = registry.find_version("shapes", "2")
    assert {name.partition(".")[0] for name in second.tags} >= {"promoted", "replaced", "restored", "rolled_back"}
    acts = [json.loads(line) for line in (tmp_path / ".headrace" / "champions.jsonl").read_text().splitlines()]
    assert [(act["act"], act["version"], act["before"], act["reason"]) for act in acts] == [
        ("promoted", 2, 1, "try it"),
        ("promoted", 3, 2, "and this"),
        ("rolled_back", 2, 3, "complaints"),
        ("rolled_back", 1, 2, "complaints"),
    ]
    with pytest.raises(ConfigError, match="^forms: has no champion; headrace promote forms makes one"):
        roll_back(paths, registry, "forms", reason="")
