import random

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from headrace.data.text import word_features
from headrace.data.text.word_features import NUM_MANNERS, buckets, count_words, features, telling_words

TEXTS = ["win a prize now", "call me later", "win cash now now", "see you later", "a b c"]
LABELS = ["spam", "ham", "spam", "ham", None]


def bucket(word: str) -> int:
    return next(iter(buckets(word)))


def test_count_words_counts_texts_of_known_label_once_a_word() -> None:
    counted = count_words(TEXTS, LABELS)
    assert counted.labels == ["spam", "ham"]
    assert counted.num_texts.tolist() == [2, 2]
    assert dict(zip(counted.places.tolist(), counted.counts.tolist(), strict=True))[bucket("now")] == 2


def test_telling_words_are_those_of_the_highest_chi_squared() -> None:
    rng = random.Random(0)
    vocabulary = [f"word{index}" for index in range(600)]
    labels = [rng.choice("xyz") for _ in range(400)]
    texts = [" ".join(rng.sample(vocabulary, 30) + (["signal"] if label == "x" else [])) for label in labels]
    chosen = telling_words([count_words(texts, labels)])
    assert len(chosen) == 252
    assert bucket("signal") in chosen

    def score(word: str) -> float:
        has = np.array([word in text.split() for text in texts])
        table = [[(has & (np.array(labels) == k)).sum(), (~has & (np.array(labels) == k)).sum()] for k in "xyz"]
        return float(chi2_contingency(np.array(table), correction=False).statistic)

    scores = {word: score(word) for word in vocabulary}
    taken = [scores[word] for word in vocabulary if bucket(word) in chosen]
    left = [scores[word] for word in vocabulary if bucket(word) not in chosen]
    assert min(taken) >= max(left) - 1e-9


def test_telling_words_do_not_depend_on_batches_or_order() -> None:
    whole = telling_words([count_words(TEXTS, LABELS)])
    parts = [count_words([text], [label]) for text, label in zip(TEXTS[::-1], LABELS[::-1], strict=True)]
    assert telling_words(parts) == whole != []


def test_telling_words_of_nothing_are_none() -> None:
    assert telling_words([]) == []
    assert telling_words([count_words(["a"], [None])]) == []


def test_telling_words_counts_only_so_many_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_features, "MAX_LABELS", 2)
    parts = [count_words([f"only{name}"], [name]) for name in "abc"]
    assert telling_words(parts) == sorted([bucket("onlya"), bucket("onlyb")])


def test_features_tell_which_words_and_the_manner() -> None:
    made = features(["WIN 10 now!", "", "你好 later"], sorted([bucket("win"), bucket("later"), bucket("好")]))
    assert made.shape == (3, 3 + NUM_MANNERS)
    assert made[:, :3].sum(axis=1).tolist() == [1, 0, 2]
    np.testing.assert_allclose(made[0, 3:], [np.log1p(11), 3 / 11, 2 / 11, 1 / 11], rtol=1e-6)
    assert made[1].tolist() == [0] * 7
