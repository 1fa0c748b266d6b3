import torch

from headrace.contracts import Spec
from headrace.models.network import BinaryLogits, Rescale, build_network, load_network
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle


def test_rescale_converts_to_the_units_of_several_targets() -> None:
    rescale = Rescale({"mean": [10.0, 5e4], "std": [2.0, 1e4]})
    assert rescale(torch.tensor([[0.0, 0.0], [1.0, -1.0]])).tolist() == [[10.0, 5e4], [12.0, 4e4]]


def test_binary_logits_have_the_probability_of_the_sigmoid() -> None:
    outputs = torch.tensor([[-3.0], [0.0], [2.0]])
    torch.testing.assert_close(torch.softmax(BinaryLogits()(outputs), dim=1)[:, 1:], torch.sigmoid(outputs))


def test_build_network_passes_the_column_of_each_feature() -> None:
    numeric = {"kind": "numeric", "fill": 0.5, "center": 0.5, "scale": 0.3, "has_missing": True, "quantiles": None}
    inputs = [numeric, numeric, {"kind": "categorical", "num_values": 3}]
    spec = Spec(modality="table", task="classification", source="x", format="table", num_rows=9, classes=["a", "b"])
    columns = build_network({"name": "table_transformer"}, spec, {"inputs": inputs})[1][0]  # type: ignore[index]
    assert columns.members.tolist() == [
        [1, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1],
    ], "two numbers with their flags, and three categories"


def test_build_network_with_bce_has_one_trained_output_and_two_logits() -> None:
    spec = Spec(
        modality="image", task="classification", source="x", format="folder", num_rows=9, classes=["a", "b"],
        input_shape=[8, 8, 1],
    )  # fmt: skip
    transform = {"input_shape": [8, 8, 1], "mean": [0.5], "std": [0.2], "resize": "pad"}
    network = build_network({"name": "linear"}, spec, transform, loss="bce")
    images = torch.randint(0, 256, (3, 8, 8, 1), dtype=torch.uint8)
    assert network[:2](images).shape == (3, 1)
    logits = network(images)
    torch.testing.assert_close(logits[:, 0], -logits[:, 1])


def test_load_network_matches_the_exported_graph(trained: Paths) -> None:
    bundle = read_bundle(trained.trained_dir)
    rows = open_arrays(trained.normalized_dir / "val").inputs[:20]
    with torch.inference_mode():
        outputs = load_network(bundle)(torch.from_numpy(rows.copy()))
    torch.testing.assert_close(outputs, torch.from_numpy(bundle.graph().predict(rows)), rtol=1e-4, atol=1e-4)
