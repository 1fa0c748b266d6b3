import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contracts import Json, Spec, Transform
from headrace.data.text import transform as transform_module
from headrace.data.text.tokenizer import MIN_VOCABULARY, load_cached_tokenizer
from headrace.data.text.transform import TextTransform
from headrace.errors import DataError

SPEC = Spec(modality="text", task="classification", source="x", format="text_folder", num_rows=0)
OPTIONS: dict[str, Any] = {"vocabulary": 400, "max_tokens": 16, "lowercase": True, "tokenizer": None}
TEXTS = ["The cat sat on the mat.", "the dog sat on the log", "A naïve façade; it's 42 degrees", "cat and dog"] * 3
TRANSFORM: Transform = TextTransform()


class Batches:
    """Rows of the given batches."""

    def __init__(self, *batches: list[str]) -> None:
        self.batches = [batch_of(*texts) for texts in batches]

    def map(self, work: Any) -> Any:
        return map(work, self.batches)


def batch_of(*texts: str) -> pa.RecordBatch:
    return pa.record_batch({"text": pa.array(texts, pa.string())})


def fit(*batches: list[str], **options: Any) -> Json:
    return TRANSFORM.fit(Batches(*(batches or [TEXTS])), SPEC, OPTIONS | options)


def ids_of(text: str, transform: Json) -> list[int]:
    (ids,) = TRANSFORM.apply(batch_of(text), transform)
    return ids.tolist()


def decoded(ids: list[int], transform: Json) -> str:
    tokenizer = load_cached_tokenizer(json.dumps(transform["tokenizer"]), transform["max_tokens"])
    return str(tokenizer.decode(ids)).removeprefix(" ")


def save_tokenizer(path: Path) -> str:
    """Writes a small tokenizer that adds special tokens to a file."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    words = {"[PAD]": 0, "x": 1, "[UNK]": 2, "cat": 3, "[CLS]": 7}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = TemplateProcessing("[CLS] $A [CLS]", special_tokens=[("[CLS]", 7)])
    tokenizer.save(str(path))
    return str(path)


def test_fit_is_plain_json_with_the_shape() -> None:
    transform = fit()
    assert json.loads(json.dumps(transform, allow_nan=False)) == transform
    assert transform["input_shape"] == [16]
    assert MIN_VOCABULARY < transform["vocabulary"] <= 400
    assert transform["tokenizer"]["model"]["vocab"]["[PAD]"] == 0
    assert transform["tokenizer"]["model"]["vocab"]["[UNK]"] == transform["unknown"] == 1


def test_fit_does_not_depend_on_order_or_batches() -> None:
    assert fit(TEXTS[::-1]) == fit(TEXTS[:5], [], TEXTS[5:]) == fit()


def test_fit_learns_from_the_given_rows() -> None:
    assert fit([*TEXTS, *["zyzzyva quux"] * 9])["tokenizer"] != fit()["tokenizer"]


def test_apply_gives_ids_in_order_and_range() -> None:
    transform = fit()
    rows = TRANSFORM.apply(batch_of(*TEXTS), transform)
    assert len(rows) == len(TEXTS)
    assert {ids.dtype for ids in rows} == {np.dtype(np.int32)}
    assert max(ids.max() for ids in rows) < transform["vocabulary"]
    assert min(ids.min() for ids in rows) > 1
    assert len(ids_of("cat and dog", transform)) < len(ids_of("dna tac god", transform))  # it has learned the words


def test_apply_round_trip() -> None:
    transform = fit(max_tokens=64)
    assert decoded(ids_of("The Cat's FAÇADE", transform), transform) == "the cat's façade"
    cased = fit(max_tokens=64, lowercase=False)
    assert decoded(ids_of("The Cat's FAÇADE", cased), cased) == "The Cat's FAÇADE"


def test_apply_unknown_characters_have_tokens() -> None:
    transform = fit()
    ids = ids_of("\u2603 \U0001f600", transform)
    assert 1 not in ids
    assert decoded(ids, transform) == "\u2603 \U0001f600"


def test_apply_empty_is_one_unknown_token() -> None:
    assert ids_of("", fit()) == [1]


def test_apply_truncates() -> None:
    transform = fit(max_tokens=5)
    long = ids_of("cat and dog sat on the mat and the log", transform)
    assert len(long) == 5
    assert long == ids_of("cat and dog sat on the mat", transform)
    assert len(ids_of("x" * 1_000_000, transform)) == 5


def test_apply_names_of_special_tokens_are_text() -> None:
    transform = fit()
    ids = ids_of("[PAD] [UNK]", transform)
    assert not {0, 1} & set(ids)
    assert decoded(ids, transform) == "[pad] [unk]"


def test_fit_without_train_rows_raises() -> None:
    with pytest.raises(DataError, match="^data/split: no train rows to fit on"):
        fit([])


def test_fit_of_empty_texts_has_a_token_for_every_byte() -> None:
    assert fit(["", ""])["vocabulary"] == MIN_VOCABULARY


def test_tokenizer_file_is_used_unchanged(tmp_path: Path) -> None:
    transform = fit(tokenizer=save_tokenizer(tmp_path / "t.json"))
    assert transform["vocabulary"] == 8  # ids may have gaps
    assert transform["unknown"] == 2
    assert ids_of("cat dog", transform) == [7, 3, 2, 7]
    assert ids_of("cat " * 50, transform) == [7, *[3] * 14, 7]


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_apply_never_pads_and_has_at_least_one_token(text: str) -> None:
    ids = ids_of(text, TRANSFORMED)
    assert 1 <= len(ids) <= 16
    assert 0 not in ids
    assert max(ids) < TRANSFORMED["vocabulary"]


TRANSFORMED = fit()


def test_fit_chooses_the_length_that_most_texts_have() -> None:
    texts = ["cat " * 20] * 19 + ["cat " * 400]
    transform = fit(texts, max_tokens="auto")
    assert (transform["max_tokens"], transform["input_shape"]) == (24, [24])  # 20 words, in steps of 8
    assert transform["cut_share"] == 0.05
    assert fit(["cat"], max_tokens="auto")["max_tokens"] == 16
    assert fit(["cat " * 2000], max_tokens="auto")["max_tokens"] == 512


def test_fit_measures_the_texts_that_are_cut() -> None:
    assert fit(["cat dog", "cat " * 9, "cat " * 99, ""], max_tokens=8)["cut_share"] == 0.5
    assert fit(["cat dog"], max_tokens=8)["cut_share"] == 0


def test_length_and_share_do_not_depend_on_the_order_of_many_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform_module, "MAX_SAMPLED", 20)
    texts = ["cat " * (1 + index % 50) + str(index) for index in range(500)]
    first, second = fit(texts, max_tokens="auto"), fit(texts[::-1], max_tokens="auto")
    assert first == second
    assert 30 < first["max_tokens"] <= 64
