"""`headrace report`: writes the page of the run at any time, also after a gate that was not passed."""

from __future__ import annotations

from typing import cast

from headrace.paths import Paths
from headrace.report.build import write_report
from headrace.settings.load import load_settings
from headrace.settings.register import Config


def write_run_report(paths: Paths) -> list[str]:
    """Writes the page and the model card, and returns their paths; raises ConfigError for invalid settings."""
    write_report(cast("Config", load_settings(paths)["register"]), paths)
    return [str(path.relative_to(paths.root)) for path in (paths.report_path, paths.model_card_path)]
