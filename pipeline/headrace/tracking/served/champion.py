"""Decisions about the champion, with the reason in words: by `register`, `headrace promote` and `headrace rollback`."""

from __future__ import annotations

import getpass
import json
import socket
from datetime import UTC, datetime
from math import isfinite
from typing import NamedTuple

from headrace.contracts import Json, Metrics
from headrace.errors import ConfigError, GateError
from headrace.evaluation.comparison import Comparison
from headrace.evaluation.gates.verdicts import FAILED, GATE_VERDICT
from headrace.paths import Paths
from headrace.tracking.registry import CHAMPION, CHAMPION_BEFORE, COMPARISON, Registry, Version

VERDICT, SENTENCE = "champion.verdict", "champion.sentence"
ACCEPTED = ("first", "not worse", "not compared", "promoted")
"""Verdicts of versions that become the champion."""
ROLLED_BACK = "rolled back"
HISTORY = "champions.jsonl"
"""File below `.headrace`: one line for each `headrace promote` and `headrace rollback`."""


class ChampionDecision(NamedTuple):
    """Whether a version becomes the champion."""

    verdict: str
    """first (there was none), not worse, worse, too few rows, not compared, promoted, or rolled back."""
    sentence: str
    metrics: Metrics
    """`champion_difference` and `champion_bound`; empty without a comparison."""

    @property
    def is_champion(self) -> bool:
        """Whether it becomes the champion."""
        return self.verdict in ACCEPTED

    def to_tags(self) -> dict[str, str]:
        """The tags of the version."""
        return {VERDICT: self.verdict, SENTENCE: self.sentence, COMPARISON: json.dumps(self.metrics)}


def decide_champion(
    version: Version, champion: Version | None, comparison: Comparison | None, *, margin: float, reason: str = ""
) -> ChampionDecision:
    """Decides by a comparison of the outcomes on test rows; `reason`: why there is none."""
    if was_rolled_back(version):
        return ChampionDecision(ROLLED_BACK, "not champion: it was rolled back; headrace promote decides otherwise", {})
    if champion is None:
        return ChampionDecision("first", "champion, as the first version", {})
    if comparison is None:
        return ChampionDecision("not compared", f"champion without a comparison: {champion.title} {reason}", {})
    verdict = comparison.judge(margin)
    difference, bound = comparison.difference, comparison.upper_bound
    rows = f"on the same {comparison.num_rows:,} test rows" if comparison.num_rows else "on other test rows"
    loss = f"loss {difference:.4f}, at most {bound:.4f} at 95 %, margin {margin:g}, {rows}"
    sentence = {
        "not worse": f"champion, not worse than {champion.title} ({loss})",
        "worse": f"not champion: worse than {champion.title} ({loss})",
        "too few rows": f"not champion: too few rows to say that it is not worse than {champion.title} ({loss})",
    }[verdict]
    metrics: Metrics = {"champion_difference": difference, "champion_bound": bound} if isfinite(bound) else {}
    return ChampionDecision(verdict, sentence, metrics)


def read_decision(version: Version) -> ChampionDecision:
    """Returns the decision that was stored in a version that is the champion."""
    verdict = version.tags.get(VERDICT, "promoted")
    if verdict not in ACCEPTED or was_promoted(version):
        return ChampionDecision("promoted", "champion, promoted by a person", version.comparison)
    return ChampionDecision(verdict, version.tags.get(SENTENCE, "champion"), version.comparison)


def was_promoted(version: Version) -> bool:
    """Whether a person made it the champion."""
    return any(name.startswith("promoted.") for name in version.tags)


def was_rolled_back(version: Version) -> bool:
    """Whether the last decision of a person was against this version."""
    times = {
        event: max((name for name in version.tags if name.startswith(f"{event}.")), default="").partition(".")[2]
        for event in ("promoted", "rolled_back")
    }
    return times["rolled_back"] > times["promoted"]


def promote_version(paths: Paths, registry: Registry, version: Version, *, force: bool, reason: str) -> str:
    """Makes a version the champion; returns what was done. Raises GateError where its verdicts forbid that."""
    champion = registry.find_champion(version.name)
    if champion and champion.number == version.number:
        raise ConfigError(f"{version.title}: is the champion already; nothing to do")
    objections = _find_objections(registry, version)
    if objections and not force:
        raise GateError(f"{version.title}: {'; '.join(objections)}; to overrule: --force --reason '...'")
    _apply(paths, registry, _Act("promoted", version, champion, reason, objections))
    return f"{version.title} is champion" + (f" in place of version {champion.number}" if champion else "")


def roll_back(paths: Paths, registry: Registry, name: str, *, reason: str) -> str:
    """Makes the version before the champion the champion again; returns what was done."""
    champion = registry.find_champion(name)
    if champion is None:
        raise ConfigError(f"{name}: has no champion; headrace promote {name} makes one")
    number = champion.tags.get(CHAMPION_BEFORE, "")
    before = registry.find_version(name, number) if number else None
    if before is None:
        what = f"version {number}, the champion before it, is gone" if number else "no champion before it is recorded"
        raise ConfigError(f"{champion.title}: {what}; choose one: headrace promote models:/{name}/VERSION")
    if not registry.has_files(before):
        raise ConfigError(
            f"{before.title}: has lost its files; choose another: headrace promote models:/{name}/VERSION"
        )
    _apply(paths, registry, _Act("rolled_back", before, champion, reason, []))
    return f"{before.title} is champion again, in place of version {champion.number}"


class _Act(NamedTuple):
    """What a person did to the alias `champion`."""

    verb: str
    """promoted or rolled_back."""
    chosen: Version
    replaced: Version | None
    reason: str
    overruled: list[str]
    """Objections that `--force` overruled."""


def _find_objections(registry: Registry, version: Version) -> list[str]:
    """Why a version should not become the champion."""
    objections, gate, verdict = [], version.tags.get(GATE_VERDICT), version.tags.get(VERDICT)
    if not registry.has_files(version):
        objections.append("it has lost its files, and cannot be served")
    if gate is None:
        objections.append("its gate is not known, because it was registered by other means or by an earlier release")
    elif gate == FAILED:
        objections.append("it failed the gate")
    if verdict is not None and verdict not in ACCEPTED:
        objections.append(f"register decided against it: {version.tags.get(SENTENCE, verdict)}")
    return objections


def _apply(paths: Paths, registry: Registry, act: _Act) -> None:
    """Leaves the trace of an act, then moves the alias: a kill in between leaves a trace too many, not too few."""
    now, user = datetime.now(UTC), f"{getpass.getuser()}@{socket.gethostname()}"
    stamp = now.strftime("%Y%m%dT%H%M%S.%fZ")
    details = [f"by {user}", *([f"reason: {act.reason}"] if act.reason else [])]
    details += [f"overruled: {objection}" for objection in act.overruled]
    before = [f"in place of version {act.replaced.number}"] if act.replaced else []
    names = {"promoted": ("promoted", "replaced"), "rolled_back": ("restored", "rolled_back")}[act.verb]
    registry.set_tags(act.chosen, {f"{names[0]}.{stamp}": "; ".join([*before, *details])})
    if act.replaced:
        after = f"in favour of version {act.chosen.number}"
        registry.set_tags(act.replaced, {f"{names[1]}.{stamp}": "; ".join([after, *details])})
    entry: Json = {
        "time": now.isoformat(timespec="seconds"), "act": act.verb, "name": act.chosen.name, "user": user,
        "version": act.chosen.number, "before": act.replaced.number if act.replaced else None,
        "reason": act.reason, "overruled": act.overruled,
    }  # fmt: skip
    history_path = paths.tracking_root / ".headrace" / HISTORY
    history_path.parent.mkdir(exist_ok=True)
    with history_path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    if act.verb == "promoted":
        registry.make_champion(act.chosen, act.replaced)
    else:
        registry.set_alias(act.chosen, CHAMPION)
