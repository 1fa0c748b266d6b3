"""The model card: the sections in Markdown, below a head in YAML that Hugging Face reads."""

from __future__ import annotations

from io import StringIO
from typing import Any

from headrace.contracts import Json
from headrace.report.layout import Report, Section, Table
from headrace.report.run_files import RunFiles
from headrace.settings.register import Config

PIPELINE_TAGS = {
    ("image", "regression"): "image-feature-extraction",
    ("image", "classification"): "image-classification",
    ("image", "multilabel"): "image-classification",
    ("text", "classification"): "text-classification",
    ("text", "multilabel"): "text-classification",
    ("text", "regression"): "text-classification",
    ("table", "classification"): "tabular-classification",
    ("table", "multilabel"): "tabular-classification",
    ("table", "regression"): "tabular-regression",
}
"""(modality, task) -> a task of Hugging Face (https://huggingface.co/tasks)."""
METRIC_TYPES = {
    "accuracy": "accuracy",
    "macro_f1": "f1",
    "micro_f1": "f1",
    "rmse": "rmse",
    "mae": "mae",
    "r2": "r_squared",
}
"""Test metric -> its name among those of Hugging Face (https://huggingface.co/metrics)."""
DESCRIPTION_CHARACTERS = 5000
"""What MLflow's databases hold of the description of a version."""
DESCRIBED_FIRST = ("Intended use", "Limits", "Test", "Baselines", "Gates")


def make_front_matter(config: Config, run: RunFiles, name: str) -> dict[str, Any]:
    """Returns the head of the card (https://huggingface.co/docs/hub/model-cards#model-card-metadata)."""
    spec, tested = run.spec, run.metrics("test")
    head: dict[str, Any] = {"language": list(config.language)} if config.language else {}
    head |= {"license": config.license, "library_name": "onnx"}
    if not spec:
        return head
    task = PIPELINE_TAGS[spec["modality"], spec["task"]]
    tags = [
        "headrace",
        "onnx",
        spec["modality"],
        spec["task"],
        *([run.registered["precision"]] if run.registered else []),
    ]
    metrics = [
        {"type": kind, "name": f"{metric}, test rows", "value": tested[metric]}
        for metric, kind in METRIC_TYPES.items()
        if metric in tested
    ]
    head |= {"pipeline_tag": task, "tags": tags}
    if metrics:
        dataset = {"type": spec["format"], "name": spec["source"], "split": "test"}
        result: Json = {"task": {"type": task}, "dataset": dataset, "metrics": metrics}
        head |= {"metrics": list(dict.fromkeys(metric["type"] for metric in metrics))}
        head |= {"model-index": [{"name": name, "results": [result]}]}
    return head


def render_model_card(report: Report) -> str:
    """Returns the card."""
    from ruamel.yaml import YAML

    head, yaml = StringIO(), YAML()
    yaml.width = 4096
    yaml.dump(dict(report.front_matter), head)
    parts = [f"# {_escape(report.title)}\n\n{_escape(report.verdict)}\n", *map(_render_section, report.sections)]
    return f"---\n{head.getvalue()}---\n\n" + "\n".join(parts)


def render_description(report: Report) -> str:
    """Returns the sections of the card that fit the description of a version, the most important first."""
    end = "\nThe complete card is `report/model_card.md` among the artifacts of this version's logged model.\n"
    text = f"{_escape(report.verdict)}\n"
    first = [section for title in DESCRIBED_FIRST for section in report.sections if section.title == title]
    for section in [*first, *(section for section in report.sections if section.title not in DESCRIBED_FIRST)]:
        part = "" if section.missing else f"\n{_render_section(section)}"
        if len(text) + len(part) + len(end) <= DESCRIPTION_CHARACTERS:
            text += part
    return text + end


def _render_section(section: Section) -> str:
    lines = [f"## {section.title}\n", *(f"{_escape(text)}\n" for text in (*section.sentences, section.missing) if text)]
    return "\n".join([*lines, *map(_render_table, (table.drop_empty_columns() for table in section.tables))])


def _render_table(table: Table) -> str:
    marks = ["---" if index < table.num_text_columns else "---:" for index in range(len(table.columns))]
    lines = [table.columns, marks, *table.rows]
    rows = [
        f"| {' | '.join(cells)} |" for cells in ([_escape(cell).replace("|", "\\|") for cell in line] for line in lines)
    ]
    return f"{_escape(table.caption)}:\n\n" + "\n".join(rows) + "\n"


def _escape(text: str) -> str:
    """Text in one line, in which HTML is shown as it is written."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
