import numpy as np
import pyarrow as pa

from headrace.data.table.encoding.encode import encode_batch
from headrace.data.table.encoding.serving import Encoder

CARD = {
    "columns": [
        {"name": "size", "kind": "numeric", "offset": 10.0, "unit": 2.0},
        {"name": "colour", "kind": "categorical", "values": ["red", "blue"]},
    ],
    "inputs": [{"name": "size"}, {"name": "colour"}],
    "temperature": 1.5,
}


def test_encoder_matches_the_encoding_of_clean_rows() -> None:
    rows = [{"size": "12", "colour": " blue "}, {"size": 9.0, "colour": "green"}, {"colour": None, "other": "x"}]
    clean = pa.record_batch({"size": pa.array([12.0, 9.0, None]), "colour": pa.array(["blue", "green", None])})
    encoded = Encoder(CARD, {})(rows)
    np.testing.assert_array_equal(encoded, encode_batch(clean, CARD))
    np.testing.assert_array_equal(encoded, np.array([[1, 3], [-0.5, 0], [np.nan, 1]], np.float32))
