import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from headrace.contracts import Spec
from headrace.evaluation.baselines import features
from headrace.evaluation.baselines.features import (
    MAX_CATEGORIES,
    MAX_WEIGHTS,
    TableEncoder,
    TermEncoder,
    find_tokens,
    fit_linear_encoder,
    pool_pixels,
    read_inputs,
    restore_missing,
)
from tests.text_tables import make_text_table

RNG = np.random.default_rng(0)
NAN = np.nan
TRANSFORM = {
    "inputs": [
        {"kind": "numeric"},
        {"kind": "categorical", "num_values": 4},
        {"kind": "numeric"},
        {"kind": "categorical", "num_values": 3},
    ]
}
COLUMNS = np.array([[1, 2, NAN, 0], [2, 1, 5, 2], [3, 3, 7, 2], [2, 2, NAN, 1]], np.float32)


@pytest.mark.parametrize(("side", "blocks"), [(28, 14), (32, 16), (64, 16), (16, 16), (17, 9), (5, 5)])
def test_pixels_are_pooled_to_at_most_16_blocks_a_side(side: int, blocks: int) -> None:
    images = RNG.integers(0, 256, (3, side, 2 * side, 2), np.uint8)
    pooled = pool_pixels(images).reshape(3, blocks, -1, 2)
    assert pooled.shape[2] <= 16
    block = -(-side // 16)
    assert pooled[1, 0, 0, 1] == pytest.approx(images[1, :block, : -(-2 * side // 16), 1].mean() / 255, rel=1e-5)
    last_rows, last_columns = (blocks - 1) * block, (pooled.shape[2] - 1) * -(-2 * side // 16)
    assert pooled[2, -1, -1, 0] == pytest.approx(images[2, last_rows:, last_columns:, 0].mean() / 255, rel=1e-5)


def test_images_are_read_as_small_pixels_and_others_as_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Spec(modality="image", task="classification", source="x", format="x", num_rows=9)
    images, rows = RNG.integers(0, 256, (7, 32, 32, 3), np.uint8), np.array([1, 2, 5])
    monkeypatch.setattr(features, "IMAGES_PER_PASS", 2)
    assert read_inputs(images, rows, spec) == pytest.approx(pool_pixels(images[rows]))
    assert read_inputs(images, rows[:0], spec).shape == (0, 16 * 16 * 3)
    table = spec.model_copy(update={"modality": "table"})
    assert read_inputs(COLUMNS, np.array([2, 0]), table).tolist()[0] == COLUMNS[2].tolist()


def test_terms_are_weighted_as_by_scikit_learn() -> None:
    ids = RNG.integers(1, 9, (50, 12)).astype(np.int32)
    ids[RNG.random(50) < 0.5, 7:] = 0  # padding
    texts = [" ".join(str(token) for token in row if token) for row in ids]
    reference = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, token_pattern=r"\S+")
    expected = reference.fit_transform(texts)
    weighted = TermEncoder(ids, 9, 10_000)(ids)
    assert weighted.shape == expected.shape
    assert (weighted @ weighted.T).toarray() == pytest.approx((expected @ expected.T).toarray(), abs=1e-5)


def test_only_the_terms_of_the_most_texts_are_used() -> None:
    ids = np.array([[1, 2, 0], [1, 2, 3], [1, 4, 0]], np.int32)
    assert TermEncoder(ids, 5, 1)(ids).toarray().tolist() == [[1], [1], [1]]
    assert TermEncoder(ids, 5, 3)(ids).toarray()[2, 1:].tolist() == [0, 0]  # 2 and the pair (1, 2)
    nothing = TermEncoder(np.array([[1], [2]], np.int32), 5, 3)
    assert nothing(ids).tolist() == [[0], [0], [0]]


def test_many_outputs_leave_room_for_fewer_terms() -> None:
    ids = RNG.integers(1, 2000, (4000, 10)).astype(np.int32)
    classes = [str(index) for index in range(1000)]
    spec = Spec(modality="text", task="classification", source="x", format="x", num_rows=9, classes=classes)
    weighted = fit_linear_encoder(ids, spec, {"vocabulary": 2000})(ids[:2])
    assert weighted.shape == (2, MAX_WEIGHTS // 1000)


def test_table_features_are_standardized_numbers_flags_and_categories() -> None:
    encoded = TableEncoder(COLUMNS, TRANSFORM)(COLUMNS)
    assert encoded[:, 0] == pytest.approx([-(2**0.5), 0, 2**0.5, 0])
    assert encoded[:, 1] == pytest.approx([0, -(2**0.5), 2**0.5, 0])  # the median 6 for missing cells
    assert encoded[:, 2].tolist() == [1, 0, 0, 1]
    assert encoded[:, 3:7].argmax(axis=1).tolist() == [2, 1, 3, 2]
    assert encoded[:, 7:].argmax(axis=1).tolist() == [0, 2, 2, 1]
    assert encoded[:, 3:].sum(axis=1).tolist() == [2] * 4


def test_table_features_of_constant_and_empty_columns_are_finite() -> None:
    columns = np.array([[4, NAN], [4, NAN]], np.float32)
    encode = TableEncoder(columns, {"inputs": [{"kind": "numeric"}] * 2})
    assert encode(columns).tolist() == [[0, 0, 1], [0, 0, 1]]
    assert np.isfinite(encode(np.array([[5, 1]], np.float32))).all()


def test_table_features_of_categories_alone() -> None:
    ids = np.array([[0], [2]], np.float32)
    assert TableEncoder(ids, {"inputs": [{"kind": "categorical", "num_values": 3}]})(ids).tolist() == [
        [1, 0, 0],
        [0, 0, 1],
    ]


def test_missing_categories_become_missing_and_rare_ones_unknown() -> None:
    columns = COLUMNS.copy()
    columns[2, 1] = MAX_CATEGORIES
    restored = restore_missing(columns, TRANSFORM)
    assert np.array_equal(restored[:, 1], [2, NAN, 0, 2], equal_nan=True)
    assert np.array_equal(restored[:, [0, 2]], columns[:, [0, 2]], equal_nan=True)
    assert columns[1, 1] == 1  # the stored rows do not change


def test_columns_of_texts_are_terms_beside_the_other_columns() -> None:
    table = make_text_table()
    encode = fit_linear_encoder(table.inputs, table.spec, table.transform)
    features = encode(table.inputs[:50])
    plain = TableEncoder(table.inputs, table.transform)(table.inputs[:50])
    assert plain.shape == (50, 1 + 4)
    np.testing.assert_allclose(features[:, :5].toarray(), plain)
    titles = TermEncoder(table.inputs[:, :16].astype(np.int32), table.transform["vocabulary"], 10_000)
    size = titles(table.inputs[:1, :16].astype(np.int32)).shape[1]
    assert features.shape[1] > 5 + size
    assert features[0, 5 : 5 + size].nnz == 0, "a missing title has no terms"
    assert find_tokens(table.transform).sum() == 32
    assert restore_missing(table.inputs, table.transform).shape == (200, 2)


def test_nothing_but_texts_has_terms_alone() -> None:
    table = make_text_table()
    inputs = [entry for entry in table.transform["inputs"] if entry["kind"] == "token"]
    texts = table.inputs[:, find_tokens(table.transform)]
    features = fit_linear_encoder(texts, table.spec, table.transform | {"inputs": inputs})(texts)
    assert features.shape[0] == 200
    assert features.nnz > 1000
