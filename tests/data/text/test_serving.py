import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from headrace.data.text.serving import Encoder
from headrace.data.text.tokenizer import train_tokenizer
from headrace.data.text.transform import TextTransform


def test_encoder_matches_the_transform_of_repaired_texts(tmp_path: Path) -> None:
    trained = train_tokenizer(iter(["the cat sat on the mat", "a dog"] * 3), 300, lowercase=True)
    transform = {"max_tokens": 6, "unknown": trained.unknown, "tokenizer": trained.tokenizer}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(trained.tokenizer), encoding="utf-8")
    raw = ["<b>the cat</b>\x07", "  the cat sat on the mat and the log", "", None, "[PAD]"]
    clean = ["the cat", "the cat sat on the mat and the log", "", "", "[PAD]"]
    ids = Encoder(transform, {"tokenizer": str(path)})([{"text": text} for text in raw])
    assert ids.dtype == np.int32
    assert ids.shape == (5, 6)
    for row, expected in zip(ids, TextTransform().apply(pa.record_batch({"text": clean}), transform), strict=True):
        assert row.tolist() == [*expected.tolist(), *[0] * (6 - len(expected))]
