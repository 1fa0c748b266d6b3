"""Heavy packages are imported only by the code that needs them, so that commands start fast."""

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.paths import OUTS, Paths
from headrace.stages import STAGES
from headrace.storage.atomic import write_json

HEAVY = {"albumentations", "captum", "mlflow", "onnxruntime", "pandas", "ray", "scipy", "sklearn", "torch"}
ARRAYS = {"numpy", "pyarrow"}
OTHERS = {"PIL", "requests", "rich", "ruamel"}
RUN = "import sys\nfrom headrace.command_line import app\napp({}, standalone_mode=False)\n"
CHECK = """
from pathlib import Path
from headrace.paths import Paths
from headrace.settings.load import load_settings
Path("params.yaml").write_text("train: {{model: {{name: 'nets:Net'}}, augmentation: [{{name: Affine}}]}}")
Path("nets.py").write_text("import torch\\nclass Net(torch.nn.Module): ...")
load_settings(Paths(Path.cwd()), "{}")
"""
IMPORTS = {
    "import headrace": set(),
    "import headrace.__main__": set(),
    "import headrace.command_line": set(),
    RUN.format(["--help"]): {"rich"},
    RUN.format(["--version"]): set(),
    RUN.format(["recipes"]): {"rich"},
    RUN.format(["init", "new"]): {"ruamel"},
    RUN.format(["status"]): {"rich"},
    CHECK.format("explain"): {"ruamel"},
    CHECK.format(""): {"ruamel"},
    **{f"import headrace.settings.{stage}": set() for stage in STAGES},
    **{f"import headrace.stages.{stage}": ARRAYS for stage in STAGES},
}
"""Program -> the packages, of all those above, that it imports."""


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    """A project after all stages, as far as `status` reads it."""
    paths = Paths(tmp_path)
    assert list(OUTS) == list(STAGES)
    write_json(paths.metrics_path("ingest"), {"rows": 9})
    write_json(paths.metrics_path("clean"), {"quarantined": 1})
    return paths


@pytest.mark.parametrize("program", IMPORTS, ids=lambda program: program.replace(RUN.partition("{")[0], ""))
def test_program_imports_only_what_it_needs(project: Paths, program: str) -> None:
    watched = sorted(HEAVY | ARRAYS | OTHERS)
    code = f"{program}\nimport sys\nprint(*[name for name in {watched} if name in sys.modules], file=sys.stderr)"
    process = subprocess.run([sys.executable, "-c", code], cwd=project.root, capture_output=True, text=True, check=True)
    assert set(process.stderr.split()) == IMPORTS[program]
