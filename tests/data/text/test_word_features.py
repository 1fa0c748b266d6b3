import random

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from headrace.data.text import word_features
from headrace.data.text.word_features import (
    NUM_STYLE_FEATURES,
    compute_word_features,
    count_words,
    select_words,
    word_buckets,
)

TEXTS = ["win a prize now", "call me later", "win cash now now", "see you later", "a b c"]
LABELS = ["spam", "ham", "spam", "ham", None]


def bucket(word: str) -> int:
    return next(iter(word_buckets(word)))


def test_count_words_counts_each_labelled_text_once_per_word() -> None:
    counted = count_words(TEXTS, LABELS)
    assert counted.labels == ["spam", "ham"]
    assert counted.num_texts.tolist() == [2, 2]
    assert dict(zip(counted.cells.tolist(), counted.counts.tolist(), strict=True))[bucket("now")] == 2


def test_select_words_takes_the_highest_chi_squared() -> None:
    rng = random.Random(0)
    vocabulary = [f"word{index}" for index in range(600)]
    labels = [rng.choice("xyz") for _ in range(400)]
    texts = [" ".join(rng.sample(vocabulary, 30) + (["signal"] if label == "x" else [])) for label in labels]
    chosen = select_words([count_words(texts, labels)])
    assert len(chosen) == 252
    assert bucket("signal") in chosen

    def score(word: str) -> float:
        has = np.array([word in text.split() for text in texts])
        table = [[(has & (np.array(labels) == k)).sum(), (~has & (np.array(labels) == k)).sum()] for k in "xyz"]
        return float(chi2_contingency(np.array(table), correction=False).statistic)

    scores = {word: score(word) for word in vocabulary}
    selected = [scores[word] for word in vocabulary if bucket(word) in chosen]
    rejected = [scores[word] for word in vocabulary if bucket(word) not in chosen]
    assert min(selected) >= max(rejected) - 1e-9


def test_select_words_does_not_depend_on_batches_or_order() -> None:
    whole = select_words([count_words(TEXTS, LABELS)])
    parts = [count_words([text], [label]) for text, label in zip(TEXTS[::-1], LABELS[::-1], strict=True)]
    assert select_words(parts) == whole != []


def test_select_words_of_no_labelled_texts_is_empty() -> None:
    assert select_words([]) == []
    assert select_words([count_words(["a"], [None])]) == []


def test_select_words_limits_the_number_of_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_features, "MAX_LABELS", 2)
    parts = [count_words([f"only{name}"], [name]) for name in "abc"]
    assert select_words(parts) == sorted([bucket("onlya"), bucket("onlyb")])


def test_features_are_word_presence_and_style() -> None:
    features = compute_word_features(
        ["WIN 10 now!", "", "你好 later"], sorted([bucket("win"), bucket("later"), bucket("好")])
    )
    assert features.shape == (3, 3 + NUM_STYLE_FEATURES)
    assert features[:, :3].sum(axis=1).tolist() == [1, 0, 2]
    np.testing.assert_allclose(features[0, 3:], [np.log1p(11), 3 / 11, 2 / 11, 1 / 11], rtol=1e-6)
    assert features[1].tolist() == [0] * 7
