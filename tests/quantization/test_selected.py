"""What `quantize` selected, as later stages read it."""

from pathlib import Path

import pytest

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.quantization.selected import read_selected_graph
from headrace.storage.atomic import write_json, write_text


def test_selected_graph_has_its_precision_and_calibration(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    write_json(paths.quantized_dir / "choice.json", {"precision": "int8", "chosen": "weights"})
    write_json(paths.quantized_dir / "calibration.json", {"temperature": 1.5})
    selected = read_selected_graph(paths)
    assert (selected.precision, selected.path) == ("int8", paths.quantized_dir / "model.onnx")
    assert selected.read_calibration("temperature") == 1.5
    with pytest.raises(DataError, match="calibration.json: no number 'threshold'; run: dvc repro --force quantize"):
        selected.read_calibration("threshold")


@pytest.mark.parametrize(("text", "message"), [(None, "no such file"), ("{", "not JSON"), ("[]", "got []")])
def test_missing_or_damaged_file_is_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    paths = Paths(tmp_path)
    if text is not None:
        write_text(paths.quantized_dir / "choice.json", text)
    with pytest.raises(DataError) as caught:
        read_selected_graph(paths)
    assert str(caught.value).startswith(f"{paths.quantized_dir / 'choice.json'}: {message}")
