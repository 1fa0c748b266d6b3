import numpy as np

from headrace.data.table.cleaning.cells import read_columns
from headrace.data.table.cleaning.features import compute_features
from headrace.data.table.cleaning.profile import profile_table
from tests.data.table.cleaning.helpers import Batches, batch_of, spec_of


def test_compute_features_are_bounded_and_of_every_kind() -> None:
    columns = {f"n{index}": [str(row * index) for row in range(30)] for index in range(50)}
    columns["c"] = ["ab"[row % 2] for row in range(29)] + [None]
    columns["n1"] = [*map(str, range(28)), "1e36", None]
    spec, batch = spec_of(**dict.fromkeys(columns, "numeric") | {"c": "categorical"}), batch_of(columns)
    survey = profile_table(Batches(batch), spec, {})
    features = compute_features(read_columns(batch, spec.columns, {}), survey, batch.num_rows)
    assert features.dtype == np.float32
    assert features.shape == (30, 42)  # 40 numeric, 2 categories
    assert np.abs(features).max() == 5
    assert features[29, 1] == 0  # missing
    assert sorted(features[:2, 40:].tolist()) == [[0, 1], [1, 0]]
    assert features[29, 40:].tolist() == [0, 0]
