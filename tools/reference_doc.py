"""Generates docs/reference/ from the code; with --check, fails if it is outdated. Usage: reference_doc.py [--check]."""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from headrace.command_line import app
from headrace.config import Section
from headrace.evaluation.gates.bounds import BASELINE_METRICS, VALIDATION_METRICS
from headrace.models import MODELS
from headrace.paths import OUTS, Paths
from headrace.settings.load import SECTIONS
from headrace.stages import STAGE_HELP
from headrace.tasks.metrics import EPOCH_METRICS, SUMMARIES
from headrace.training.optim.optimizers import OPTIMIZERS
from headrace.training.optim.schedules import SCHEDULES

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
OPTIONS: dict[str, Mapping[str, type[Section]]] = {
    "train.model": MODELS,
    "train.optimizer": OPTIMIZERS,
    "train.schedule": SCHEDULES,
}
"""Key that is a name with options -> the options by name."""
HEAD = "# {title}\n\n`make code` writes this page from the code.\n\n{text}\n"
TABLE = "\n| {} | {} | {} | {} |\n| --- | --- | --- | --- |\n"
MEANINGS = {
    "accuracy": "rows whose most probable class is right; with several labels a row, labels that are right",
    "auroc": "area under the ROC curve; of several classes or labels, their mean",
    "baseline": "the quality of a simple model on the same rows: `prior` names the largest class or the mean",
    "coverage": "rows whose confidence exceeds `threshold`",
    "ece": "expected calibration error: distance of confidence and accuracy; `ece_before`: without the temperature",
    "exact_match": "rows whose labels are all right",
    "interval_90": "half the width of the interval that holds 90 % of the validation rows",
    "loss": "the training's loss without its regularisation, at temperature 1",
    "macro_f1": "the F1 score, as the mean over classes or labels",
    "mae": "mean absolute error, in the unit of the target",
    "mean_average_precision": "area under the precision-recall curve, as the mean over labels",
    "micro_f1": "the F1 score over all labels of all rows",
    "num_rows": "validation rows",
    "over_baseline": "the model's quality minus that of the best simple model, on the same rows",
    "over_prior": "the model's quality minus that of always naming the largest class or the mean",
    "r2": "the coefficient of determination: 1 is perfect, 0 is the mean of the target",
    "rmse": "root of the mean squared error, in the unit of the target",
    "robust": "the quality, as the mean over corruptions of the inputs",
    "target_accuracy": "the setting `validate.target_accuracy`, for which `threshold` is chosen",
    "temperature": "what logits are divided by, so that confidences are calibrated",
    "threshold": "the confidence above which `target_accuracy` is reached; of several labels, that of a yes",
    "worst_slice": "the quality or error of the worst slice that is large enough",
}
"""Metric, or its first words -> what it is; those with an ending of SUFFIXES are explained there."""
REPORTS = {
    "reports/validate": "Verdicts of the gate (`gates.json`), baselines, `summary.json`: the metrics to compare first.",
    "reports/quantize": "Verdicts of the gate on the graph that is served, and `summary.json`.",
    "reports/test": "Answers to test rows (`predictions.parquet`), slices, baselines, mistakes, `summary.json`.",
    "reports/explain": "The page of the explanations (`index.html`), and their data.",
}
"""Folder of a report -> what is in it."""
SUFFIXES = {"_low": "the lower end of the 95 % interval", "_high": "the upper end"}


def read_docstrings(section: type[Section]) -> dict[str, str]:
    """Returns field -> the text below it, of a class and those it inherits from."""
    texts: dict[str, str] = {}
    for each in reversed(section.__mro__):
        if each is not Section and issubclass(each, Section) and each.__module__.startswith("headrace"):
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
            assert isinstance(body, ast.ClassDef)
            for field, after in zip(body.body, body.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text(after):
                    texts[field.target.id] = " ".join(inspect.cleandoc(after.value.value).split())
    return texts


def is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def describe_type(schema: Mapping[str, Any]) -> str:
    """Puts a JSON schema into words: type, range and choices."""
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(describe_type(branch) for branch in branches))
    if "$ref" in schema or "allOf" in schema:
        return "a mapping"
    if choices := schema.get("enum", [schema["const"]] if "const" in schema else None):
        return ", ".join(f"`{show(choice)}`" for choice in choices)
    kind = {"array": "a list", "object": "a mapping", "string": "text", "boolean": "true or false", "null": "null"}
    text = kind.get(schema.get("type", ""), schema.get("type", "any value"))
    if schema.get("type") == "array" and schema.get("items"):
        text += f" of {describe_type(schema['items'])}"
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {show(schema[name])}" for name, sign in bounds.items() if name in schema]
    lengths = {"minItems": "at least", "maxItems": "at most", "minLength": "at least", "maxLength": "at most"}
    limits += [f"{word} {schema[name]} long" for name, word in lengths.items() if name in schema]
    return " ".join([text, ", ".join(limits)]).strip()


def show(value: Any) -> str:
    """Writes a value as in params.yaml."""
    return value if isinstance(value, str) and value else json.dumps(value, default=str)


def escape_bars(cell: str) -> str:
    """Writes | so that neither GitHub nor the site takes it for the end of a cell, also in code."""
    parts = [f"<code>{part}</code>" if at % 2 and "|" in part else part for at, part in enumerate(cell.split("`"))]
    text = "".join(part if part.startswith("<code>") or not at % 2 else f"`{part}`" for at, part in enumerate(parts))
    return text.replace("|", "&#124;")


def find_sections(annotation: Any) -> Iterator[type[Section]]:
    """Yields the sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from find_sections(part)


def list_settings(section: type[Section], prefix: str) -> Iterator[str]:
    """Yields a row of the table for each key, with those of sections in it below."""
    schema, texts = section.model_json_schema(), read_docstrings(section)
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        default = "required" if field.is_required() else f"`{show(schema['properties'][name].get('default'))}`"
        inner = list(dict.fromkeys(find_sections(field.annotation)))
        if inner and default.startswith("`{"):
            default = "see below"
        cells = (f"`{key}`", describe_type(schema["properties"][name]), default, texts.get(name, ""))
        yield "| " + " | ".join(map(escape_bars, cells)) + " |\n"
        for each in inner:
            place = "[]" if "list" in str(field.annotation) else ""
            yield from list_settings(each, f"{key}{place}.")


def make_settings_page() -> str:
    text = "All keys of `params.yaml`, a section for each stage. A key that is left out has its default."
    parts = [HEAD.format(title="Settings", text=text)]
    for stage, section in SECTIONS.items():
        parts += [f"\n## {stage}\n\n{STAGE_HELP[stage]}\n", TABLE.format("key", "type and range", "default", "meaning")]
        parts += list_settings(section, f"{stage}.")
    for key, choices in OPTIONS.items():
        parts.append(f"\n## {key}\n\nA name, or a name with its options: `{{name: {next(iter(choices))}, ...}}`.\n")
        for name, section in choices.items():
            parts.append(f"\n### {key}: {name}\n\n{(inspect.getdoc(section) or '').partition(chr(10))[0]}\n")
            if section.model_fields:
                parts += [TABLE.format("option", "type and range", "default", "meaning"), *list_settings(section, "")]
    return "".join(parts)


def list_commands(command: Any, name: str) -> Iterator[str]:
    """Yields the section of a command, and of those below it."""
    if hasattr(command, "commands"):
        for each in command.commands.values():
            if not each.hidden:
                yield from list_commands(each, f"{name} {each.name}")
        return
    parameters = [each for each in command.params if each.name != "help"]
    arguments = [each.metavar or each.name.upper() for each in parameters if not is_option(each)]
    needed = [
        f"{each.opts[0]} {each.metavar or each.name.upper()}"
        for each in parameters
        if is_option(each) and each.required
    ]
    others = ["[OPTIONS]"] if any(is_option(each) and not each.required for each in parameters) else []
    yield f"\n## {name}\n\n    {' '.join([name, *arguments, *needed, *others])}\n\n{(command.help or '').strip()}\n"
    if parameters:
        yield TABLE.format("parameter", "value", "default", "meaning")
    for each in parameters:
        spelled = ", ".join(f"`{option}`" for option in [*each.opts, *each.secondary_opts])
        if each.param_type_name == "argument":
            spelled = f"`{each.metavar or each.name.upper()}`"
        value = "" if getattr(each, "is_flag", False) else describe_value(each)
        default = "" if each.default in (None, False, "") or callable(each.default) else f"`{show(each.default)}`"
        yield f"| {spelled} | {value} | {default} | {each.help or ''} |\n"


def is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def describe_value(parameter: Any) -> str:
    """Puts the values of a parameter into words."""
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    names = {"str": "text", "Path": "path", "int": "integer", "float": "number"}
    name = getattr(annotation, "__name__", str(annotation))
    return parameter.metavar if parameter.metavar and parameter.param_type_name == "option" else names.get(name, name)


def make_commands_page() -> str:
    text = (
        "`headrace --project DIR COMMAND` runs a command in another folder, to which its paths are relative.\n"
        "[Exit codes](https://github.com/headrace/headrace#your-own-data) are in the README.\n"
        '`eval "$(headrace completion bash)"` in `~/.bashrc` completes commands and options; so do zsh and fish.'
    )
    return "".join([HEAD.format(title="Commands", text=text), *list_commands(typer.main.get_command(app), "headrace")])


def make_artifacts_page() -> str:
    root = Path("/project")
    texts = {}
    for name, each in vars(Paths).items():
        if isinstance(each, property) and each.fget is not None:
            path = getattr(Paths(root), name)
            if isinstance(path, Path) and path != root:
                doc = " ".join((inspect.getdoc(each.fget) or "").split())
                texts.setdefault(path.relative_to(root).as_posix(), doc)
    owners = {out: stage for stage, outs in OUTS.items() for out in outs}
    texts |= {
        out: REPORTS.get(out, "Data of the figures, which `dvc plots show` draws.")
        for out in owners
        if out not in texts
    }
    text = "Every file that a stage writes; `metrics/STAGE.json` in addition. `dvc.yaml` has them as outputs."
    parts = [HEAD.format(title="Files", text=text), "\n| path | written by | what it is |\n| --- | --- | --- |\n"]
    order = {out: number for number, out in enumerate(owners)}
    paths = sorted(texts, key=lambda path: (order.get(path, len(order)), path))
    parts += [f"| `{path}` | {owners.get(path, '')} | {texts[path]} |\n" for path in paths]
    return "".join(parts)


def explain(name: str) -> str:
    """Returns what a metric is; raises SystemExit for one without an explanation."""
    for ending, text in SUFFIXES.items():
        if name.endswith(ending):
            return f"{text} of `{name.removesuffix(ending)}`"
    for known in sorted(MEANINGS, key=len, reverse=True):
        if name == known or name.startswith(f"{known}_"):
            return MEANINGS[known]
    sys.exit(f"tools/reference_doc.py: MEANINGS has no explanation of {name}")


def make_metrics_page() -> str:
    text = (
        "The metrics of `metrics/validate.json`, which gates may name (`validate.gate.NAME`), and those to compare\n"
        "first. In MLflow they have the stage in front: `test/accuracy`. Qualities are fractions, from 0 to 1."
    )
    parts = [HEAD.format(title="Metrics", text=text)]
    tables = {task: each.names for task, each in VALIDATION_METRICS.items()}
    for title, names in (*tables.items(), ("every task", BASELINE_METRICS)):
        shown = [name for name in names if not name.endswith(tuple(SUFFIXES))]
        parts.append(f"\n## {title}\n\n| metric | interval | what it is |\n| --- | --- | --- |\n")
        parts += [f"| `{name}` | {'95 %' if f'{name}_low' in names else ''} | {explain(name)} |\n" for name in shown]
    parts.append("\n`NAME_low` and `NAME_high` are the ends of an interval.\n")
    parts.append("A regression of several targets also has `rmse_TARGET` and the like.\n")
    parts.append("\n## To compare first\n\nWhat `dvc exp show` and `dvc metrics diff` show.\n")
    parts.append("\n| metric | what it is |\n| --- | --- |\n")
    parts += [f"| `{prefix}/{name}` | {explain(name)} |\n" for prefix, names in SUMMARIES.values() for name in names]
    parts.append("\n## Of an epoch\n\nIn `plots/train/history.csv`, as `train_NAME` and `val_NAME`.\n")
    parts.append("\n| metric | better |\n| --- | --- |\n")
    for name, each in EPOCH_METRICS.items():
        parts.append(f"| `{name}` | {'higher' if each.is_higher_better else 'lower'} |\n")
    return "".join(parts)


PAGES = {
    "settings": make_settings_page,
    "commands": make_commands_page,
    "artifacts": make_artifacts_page,
    "metrics": make_metrics_page,
}


def main() -> None:
    for name, make_page in PAGES.items():
        path, text = FOLDER / f"{name}.md", make_page()
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"docs/reference/{name}.md does not match the code; run: make code")


main()
