"""Builds and writes the report of a run: `reports/index.html` and `reports/model_card.md`."""

from __future__ import annotations

from headrace.contracts import Json, Metrics
from headrace.html_page import render_page
from headrace.paths import Paths
from headrace.report import data_sections, model_sections, quality_sections
from headrace.report.layout import Card, Report, format_interval
from headrace.report.model_card import make_front_matter, render_model_card
from headrace.report.run_files import RunFiles
from headrace.settings.register import Config
from headrace.storage.atomic import write_text


def write_report(config: Config, paths: Paths, registered: Json | None = None) -> Report:
    """Writes the page and the card from what is there; raises DataError for damaged files.

    The same files give the same text. `registered` is the content of `registered.json`, if it is not written yet.
    """
    report = build_report(config, RunFiles(paths, registered))
    page = render_page("report/page.html.jinja", title=report.title, report=report)
    write_text(paths.report_path, page)
    write_text(paths.model_card_path, render_model_card(report))
    return report


def build_report(config: Config, run: RunFiles) -> Report:
    """Collects all sections."""
    name = run.registered.get("name") or config.name
    version = run.registered.get("version")
    return Report(
        title=f"{name}, version {version}" if version else name,
        verdict=describe_verdict(run),
        is_registered=bool(version),
        cards=_make_cards(run),
        sections=[
            model_sections.describe_use(config),
            quality_sections.describe_gates(run),
            data_sections.describe_data(run),
            data_sections.describe_cleaning(run),
            data_sections.describe_training(run),
            quality_sections.describe_quality(run),
            quality_sections.describe_baselines(run),
            quality_sections.describe_slices(run),
            quality_sections.describe_robustness(run),
            quality_sections.describe_calibration(run),
            model_sections.describe_quantization(run),
            model_sections.describe_explanations(run),
            quality_sections.describe_mistakes(run),
            model_sections.describe_limits(run),
            model_sections.describe_origin(run),
        ],
        front_matter=make_front_matter(config, run, name),
    )


def describe_verdict(run: RunFiles) -> str:
    """Returns in one sentence what became of the model."""
    registered = run.registered
    if not registered:
        return (
            f"Not registered: stage {run.first_missing or 'register'} has not run to its end, or did not pass its gate."
        )
    default = "champion" if "champion" in registered["aliases"] else "challenger, and not champion"
    outcome = (registered.get("champion") or {}).get("sentence") or default
    version = f"{registered['name']} version {registered['version']}"
    return f"Registered as {version} ({registered['precision']}): {outcome}.{_warn_of_baseline(run)}"


def _warn_of_baseline(run: RunFiles) -> str:
    """A sentence if a cheap model was not ruled out to be as good on test rows; else empty."""
    content = run.read_json("test", "reports/test/baselines.json") or {}
    best: Json = next(
        (each for each in content.get("baselines", []) if each.get("short_name") == content.get("best")), {}
    )
    is_better = (best.get("difference_low") or 0) > 0
    sentence = str(content.get("sentence") or "")
    return "" if is_better or not sentence else f" {sentence[0].upper()}{sentence[1:]}."


def _make_cards(run: RunFiles) -> list[Card]:
    """The numbers at the top."""
    tested, quantized, explained = (run.metrics(stage) for stage in ("test", "quantize", "explain"))
    cards = [_make_quality_card(tested)] if tested else []
    if "rows_out" in (cleaned := run.metrics("clean")):
        cards.append(Card("Rows", f"{cleaned['rows_out']:,}", f"{cleaned['quarantined']:,} more in quarantine"))
    kind = "int8" if quantized.get("passed") else "fp32"
    if f"{kind}_bytes" in quantized:
        latency = f"{quantized[f'{kind}_latency_ms']:.3g} ms a row"
        cards.append(Card("Served graph", f"{quantized[f'{kind}_bytes'] / 1000:,.0f} kB", f"{kind}, {latency}"))
    if "deletion" in explained:
        interval = format_interval(explained.get("deletion_low"), explained.get("deletion_high"))
        cards.append(Card("Explanations", f"{explained['deletion']:+.2f}", f"deletion, 0 is chance; 95 %: {interval}"))
    return cards


def _make_quality_card(tested: Metrics) -> Card:
    for name, label in (("micro_f1", "micro F1"), ("accuracy", "Accuracy"), ("rmse", "Error (RMSE)")):
        if name in tested:
            show = "{:.4g}" if name == "rmse" else "{:.1%}"
            ends = [show.format(tested[f"{name}_{end}"]) for end in ("low", "high") if f"{name}_{end}" in tested]
            note = f"95 %: {ends[0]} to {ends[1]}" if ends else f"{tested['num_rows']:,} test rows"
            return Card(label, show.format(tested[name]), note)
    return Card("Test rows", f"{tested['num_rows']:,}")
