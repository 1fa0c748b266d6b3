import json
from pathlib import Path

import numpy as np
import pytest

from headrace.data.text.tokenizer import (
    MIN_VOCABULARY,
    load_cached_tokenizer,
    load_tokenizer_file,
    train_tokenizer,
)
from headrace.errors import ConfigError, DataError

TEXTS = ["The cat sat on the mat.", "the dog sat on the log", "cat and dog"] * 3


def write_tokenizer(path: Path, words: dict[str, int], unknown: str) -> str:
    model = {"type": "WordLevel", "vocab": words, "unk_token": unknown}
    path.write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model}))
    return str(path)


def test_train_tokenizer_does_not_depend_on_order() -> None:
    trained = train_tokenizer(iter(TEXTS), 300, lowercase=True)
    assert train_tokenizer(iter(TEXTS[::-1]), 300, lowercase=True) == trained
    assert MIN_VOCABULARY < trained.vocabulary <= 300
    assert trained.tokenizer["model"]["vocab"]["[UNK]"] == trained.unknown


def test_train_tokenizer_on_one_very_long_word_finishes() -> None:
    genome = "".join(np.random.default_rng(0).choice(list("ACGT"), 60_000))
    assert train_tokenizer(iter([genome]), 4000, lowercase=True).vocabulary > MIN_VOCABULARY


def test_train_tokenizer_with_too_small_a_vocabulary_raises() -> None:
    with pytest.raises(ConfigError, match=r"^params.yaml: normalize.text.vocabulary: got 257; must be at least 258, "):
        train_tokenizer(iter(TEXTS), 257, lowercase=True)


@pytest.mark.parametrize(
    ("words", "unknown", "vocabulary", "unknown_id"),
    [
        ({"[PAD]": 0, "x": 1, "[UNK]": 2, "cat": 3, "[CLS]": 7}, "[UNK]", 8, 2),  # ids may have gaps
        ({"<pad>": 0, "cat": 1}, "cat", 2, 1),  # without an unknown token
    ],
)
def test_load_tokenizer_file(
    tmp_path: Path, words: dict[str, int], unknown: str, vocabulary: int, unknown_id: int
) -> None:
    loaded = load_tokenizer_file(write_tokenizer(tmp_path / "t.json", words, unknown), 16)
    assert (loaded.vocabulary, loaded.unknown) == (vocabulary, unknown_id)
    assert loaded.tokenizer["model"]["vocab"] == words


def test_load_cached_tokenizer_truncates_and_reuses_the_object() -> None:
    text = json.dumps(train_tokenizer(iter(TEXTS), 300, lowercase=True).tokenizer)
    assert len(load_cached_tokenizer(text, 3).encode("the cat sat on the mat").ids) == 3
    assert load_cached_tokenizer(text, 3) is load_cached_tokenizer(text, 3)


def test_load_cached_tokenizer_of_corrupt_json_raises() -> None:
    with pytest.raises(DataError, match="^transform.json: invalid tokenizer .*; run: dvc repro --force normalize$"):
        load_cached_tokenizer('{"model": 3}', 16)
