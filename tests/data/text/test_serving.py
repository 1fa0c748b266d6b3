import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from headrace.data.text.serving import Encoder
from headrace.data.text.tokenizer import train_tokenizer
from headrace.data.text.transform import TextTransform


def test_encoder_matches_the_transform_of_repaired_texts(tmp_path: Path) -> None:
    trained = train_tokenizer(iter(["the cat sat on the mat", "a dog"] * 3), 300, lowercase=True)
    transform = {"max_tokens": 6, "unknown": trained.unknown, "tokenizer": trained.tokenizer, "missing": ["", "NA"]}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(trained.tokenizer), encoding="utf-8")
    raw = ["<b>the cat</b>\x07", "  the cat sat on the mat and the log", "[PAD]", "a NA"]
    clean = ["the cat", "the cat sat on the mat and the log", "[PAD]", "a NA"]
    encoder = Encoder(transform, {"tokenizer": str(path)})
    ids = encoder([{"text": text} for text in raw]).inputs
    assert ids.dtype == np.int32
    assert ids.shape == (4, 6)
    for row, expected in zip(ids, TextTransform().apply(pa.record_batch({"text": clean}), transform), strict=True):
        assert row.tolist() == [*expected.tolist(), *[0] * (6 - len(expected))]
    refused = {
        "": "'' is empty: nothing but white space, markup or control characters; send a text with at least one word",
        " \n<p>\x07": "' \\n<p>\\x07' is empty",
        " NA ": "' NA ' stands for a missing text; send a text with at least one word",
        None: "missing text; send a text",
        float("nan"): "missing text",
        3: "3 is a number; send a text",
    }
    for cell, problem in refused.items():
        (found,) = encoder([{"text": "the cat"}, {"text": cell}]).problems
        assert found.describe().startswith(f"row 1, column 'text': {problem}")
        assert not found.is_answerable
    named = Encoder(transform | {"input_column": "review", "other_columns": ["label"]}, {"tokenizer": str(path)})
    rows = [{"review": "the cat"}, {"text": "the cat", "label": "good"}, {"label": "good"}]
    inputs, (found,) = named(rows)
    assert inputs[0].tolist() == inputs[1].tolist()
    assert found.describe().startswith("row 2, column 'review': missing; a row has 'review'; send null")
