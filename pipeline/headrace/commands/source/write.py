"""Writes a small `params.yaml` for a source, each guess with its reason in a comment."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headrace.commands.source.rules import (
    MIN_GATE_ROWS,
    TrainingRule,
    choose_fractions,
    choose_image_side,
    choose_lead,
    find_training_rule,
    make_cnn,
)
from headrace.contracts import Assumption

if TYPE_CHECKING:  # imports the readers
    from headrace.commands.source.inspect import SourceSummary

WIDTH = 120
MAX_ASSUMPTIONS = 12
ASSUMED_TARGET = ("target", "task")
PLAIN = re.compile(r"(?:[^\W\d]|/)[\w./@+-]*")
KEYWORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "none"}
"""Words that YAML 1.1 or 1.2 does not read as text."""
NOUNS = {"image": "images", "text": "texts", "table": "rows of a table"}
QUALITY = {"classification": "accuracy", "multilabel": "micro F1", "regression": "R2"}
PRIOR = {
    "classification": "always naming the largest class",
    "multilabel": "naming the commonest labels",
    "regression": "always predicting the mean",
}


def write_params(summary: SourceSummary, *, source: str, targets: list[str], name: str) -> str:
    """Returns the text of `params.yaml`.

    Args:
        summary: What the source shows.
        source: The value of `ingest.source`.
        targets: The columns that the user named, if any.
        name: That of the model in the registry.
    """
    rule = find_training_rule(summary.spec.modality, summary.num_rows)
    sections = {
        "ingest": _ingest(summary, source, targets),
        "clean": _clean(summary),
        "split": _split(summary),
        "normalize": _normalize(summary, rule),
        "tune": iter([_line("num_trials: 0", "no search; 8: one over learning rates, before the training")]),
        "train": _train(summary, rule),
        "validate": _validate(summary),
        "quantize": iter([_line("max_loss: 0.02", f"{QUALITY[summary.spec.task]} that int8 may lose")]),
        "test": iter([_line("seed: 0", "of the draws of `test`")]),
        "explain": iter([_line("num_rows: 64", "validation rows that are explained")]),
        "register": iter([_line(f"name: {format_scalar(name)}", "of the model in the registry")]),
    }
    return "\n".join([*_head(summary), *(f"\n{key}:\n" + "\n".join(lines) for key, lines in sections.items()), ""])


def describe_guesses(summary: SourceSummary, targets: list[str]) -> list[str]:
    """Returns lines for the terminal: what the data are, and the assumptions that may well be wrong."""
    spec = summary.spec
    target = f"; {_guessed_target(spec.assumptions)}" if spec.target and not targets else ""
    return [
        f"the data: {_describe_rows(summary)}; {spec.task}{target}",
        *(
            f"check {each.subject}: {each.text}; to change it: {each.setting}"
            for each in spec.assumptions
            if each.is_warning
        ),
    ]


def _describe_rows(summary: SourceSummary) -> str:
    return f"{'all' if summary.is_complete else 'the first'} {summary.num_rows:,} {NOUNS[summary.spec.modality]}"


def _head(summary: SourceSummary) -> list[str]:
    read, task = _describe_rows(summary), summary.spec.task
    return [
        f"# Settings of the pipeline, guessed by `headrace init --source` from {read}: {task}.",
        "# Edit what is not right; `dvc repro` then runs only what that affects. All keys with their units and ranges:",
        "# https://github.com/headrace/headrace/blob/main/docs/reference/settings.md",
    ]


def _ingest(summary: SourceSummary, source: str, targets: list[str]) -> Iterator[str]:
    spec = summary.spec
    yield _line(f"source: {format_scalar(source)}", _describe_source(source))
    if spec.target or spec.targets:
        values = spec.targets or [spec.target]
        target = format_scalar(values[0]) if len(values) == 1 else format_flow(values)
        yield _line(f"target: {target}", "as given" if targets else _guessed_target(spec.assumptions))
    elif targets:  # columns of 0 and 1
        yield _line(f"target: {format_flow(targets)}", "as given")
    others = [assumed for assumed in spec.assumptions if assumed.subject not in ASSUMED_TARGET]
    for assumed in others[:MAX_ASSUMPTIONS]:
        yield from _comment(f"{assumed.subject}: {assumed.text}; to change it: {assumed.setting}")
    if others[MAX_ASSUMPTIONS:]:
        yield from _comment(f"and {len(others) - MAX_ASSUMPTIONS} more assumptions, in reports/assumptions.json")


def _describe_source(source: str) -> str:
    if "://" in source:
        return "downloaded once"
    if not source.startswith("/"):
        return "inside the project" if "/" in source or "." in source else ""
    return "outside the project, hence absolute; read in place"


def _guessed_target(assumptions: list[Assumption]) -> str:
    reason = next((assumed.text for assumed in assumptions if assumed.subject == "target"), "the column to predict")
    return f"{reason}; another: init --target"


def _clean(summary: SourceSummary) -> Iterator[str]:
    if summary.spec.task == "regression":
        yield _line("checks: {}", "the defaults of docs/checks.md")
        return
    yield "  checks:"
    reason = "rows of classes of fewer than 3 rows go to data/quarantine: they cannot be split"
    yield _line("rare_class: drop", reason, indent=4)


def _split(summary: SourceSummary) -> Iterator[str]:
    reason = "train, validation, test; official splits of the source take precedence"
    yield _line(f"fractions: {choose_fractions(summary.num_rows)}", reason)


def _normalize(summary: SourceSummary, rule: TrainingRule) -> Iterator[str]:
    if summary.spec.modality == "text":
        yield "  text:"
        yield _line("max_tokens: auto", "as many as 95 % of the train texts have, at most 512", indent=4)
    elif summary.spec.modality == "table":
        yield "  table:"
        yield _line("scaling: standard", "robust or quantile for numbers with extreme values", indent=4)
    elif _is_unchanged(summary, rule):
        yield _line("image_size: null", f"unchanged: all images have one size, {summary.image_sides[0]} pixels a side")
    else:
        side = choose_image_side(summary.image_sides, rule)
        seen = f"{min(summary.image_sides)} to {max(summary.image_sides)}" if summary.image_sides else "unknown"
        yield _line(f"image_size: {side}", f"pixels; the shorter sides have {seen}; more is slower, and may be better")
        yield _line("resize: pad", "keeps the whole image; or crop, stretch")


def _is_unchanged(summary: SourceSummary, rule: TrainingRule) -> bool:
    sides = summary.image_sides
    return summary.is_complete and summary.has_one_size and sides[0] <= rule.image_side


def _train(summary: SourceSummary, rule: TrainingRule) -> Iterator[str]:
    model = rule.model
    if summary.spec.modality == "image":
        is_unchanged = _is_unchanged(summary, rule)
        model = make_cnn(summary.image_sides[0] if is_unchanged else choose_image_side(summary.image_sides, rule))
    yield from _comment(rule.reason)
    yield "  model:"
    yield from (f"    {key}: {format_flow(value)}" for key, value in model.items())
    yield _line(f"max_epochs: {rule.max_epochs}", "at most; see early_stopping")
    yield f"  batch_size: {rule.batch_size}"
    yield _line(f"learning_rate: {rule.learning_rate:.1e}", "or auto: by a range test")
    yield "  optimizer: adamw"
    yield "  weight_decay: 0.01"
    yield "  schedule: one_cycle"
    if summary.spec.modality == "image":
        yield _line("augmentation:", "small rotations and shifts, which hardly ever change a class")
        yield "    - {name: Affine, rotate: [-8, 8], translate_percent: [-0.08, 0.08], p: 1.0}"
    yield "  early_stopping:"
    yield _line(f"patience: {rule.patience}", "epochs without improvement", indent=4)
    yield _line("num_workers: auto", "without Ray where its start would cost more than it saves")


def _validate(summary: SourceSummary) -> Iterator[str]:
    task = summary.spec.task
    yield "  gate:"
    reason = f"{QUALITY[task]} above that of {PRIOR[task]}; raise it once you know what is possible"
    yield _line(
        f"over_prior: {{min: {choose_lead(summary.class_shares)}, min_rows: {MIN_GATE_ROWS}}}", reason, indent=4
    )


def _line(setting: str, reason: str, indent: int = 2) -> str:
    """A setting with its reason behind it, or above it where the line would be too long."""
    line = " " * indent + setting
    if not reason:
        return line
    line_with_reason = f"{line:<30}  # {reason}"
    return line_with_reason if len(line_with_reason) <= WIDTH else "\n".join([*_comment(reason, indent), line])


def _comment(text: str, indent: int = 2) -> list[str]:
    """Lines of a comment; a very long text is cut, since reports/assumptions.json has all of it."""
    head = " " * indent + "# "
    return textwrap.wrap(
        _printable(text), WIDTH, initial_indent=head, subsequent_indent=f"{head}  ", max_lines=4, placeholder=" ..."
    )


def _printable(text: str) -> str:
    """Without line breaks and control characters, which would end a comment."""
    return "".join(character if character.isprintable() else " " for character in text)


def format_scalar(value: str) -> str:
    """A text as YAML reads it back; JSON's notation where it needs quotes."""
    is_plain = PLAIN.fullmatch(value) and value.lower() not in KEYWORDS
    return value if is_plain else json.dumps(value, ensure_ascii=not value.isprintable())


def format_flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{format_scalar(key)}: {format_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(format_flow, value))}]"
    return format_scalar(value) if isinstance(value, str) else json.dumps(value)
