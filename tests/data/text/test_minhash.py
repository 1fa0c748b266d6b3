import random
import subprocess
import sys

import numpy as np
import pytest

from headrace.data.text.minhash import BANDS, NUM_HASHES, SHINGLE, compute_minhash, estimate_similarity

WORDS = [f"{a}{b}{c}" for a in "bdfgkl" for b in "aeiou" for c in ("nt", "rk", "st", "mp")]


def sentence(rng: random.Random, num_words: int) -> str:
    return " ".join(rng.choices(WORDS, k=num_words))


def shingles(text: str) -> set[str]:
    return {text[start : start + SHINGLE] for start in range(len(text) - SHINGLE + 1)}


def jaccard(first: str, second: str) -> float:
    return len(shingles(first) & shingles(second)) / len(shingles(first) | shingles(second))


def pairs(num_pairs: int, num_changes: int) -> tuple[list[str], list[str]]:
    rng = random.Random(0)
    firsts = [sentence(rng, 30) for _ in range(num_pairs)]
    seconds = []
    for first in firsts:
        words = first.split()
        for place in rng.sample(range(len(words)), num_changes):
            words[place] = rng.choice(WORDS)
        seconds.append(" ".join(words))
    return firsts, seconds


@pytest.mark.parametrize("num_changes", [1, 3, 8, 20])
def test_similarity_estimates_jaccard(num_changes: int) -> None:
    firsts, seconds = pairs(200, num_changes)
    true = np.array([jaccard(*pair) for pair in zip(firsts, seconds, strict=True)])
    estimated = estimate_similarity(compute_minhash(firsts)[1], compute_minhash(seconds)[1])
    assert estimated.dtype == np.float32
    assert abs((estimated - true).mean()) < 0.015
    assert np.sqrt(((estimated - true) ** 2).mean()) < 0.055  # the largest standard error is 1 / (2 sqrt(128))


def test_bands_match_for_near_duplicates_and_rarely_for_others() -> None:
    firsts, seconds = pairs(300, 1)
    first_bands, second_bands = compute_minhash(firsts)[0], compute_minhash(seconds)[0]
    assert first_bands.shape == (300, BANDS)
    is_near = np.array([jaccard(*pair) >= 0.8 for pair in zip(firsts, seconds, strict=True)])
    assert is_near.sum() > 200
    assert (first_bands == second_bands).any(axis=1)[is_near].mean() > 0.99
    assert (first_bands == np.roll(second_bands, 1, axis=0)).any(axis=1).mean() < 0.05


def test_minhash_of_a_text_is_the_same_in_any_batch() -> None:
    texts = ["", "a", "hello", "hello there", "x" * 40_000, sentence(random.Random(1), 50)]
    hashes, sketches = compute_minhash(texts)
    assert sketches.shape == (6, NUM_HASHES)
    for row, text in enumerate(texts):
        alone = compute_minhash([text])
        assert (alone[0][0] == hashes[row]).all()
        assert (alone[1][0] == sketches[row]).all()
    assert len({sketch.tobytes() for sketch in sketches}) == 6


def test_minhash_is_the_same_in_every_process() -> None:
    code = "from headrace.data.text.minhash import compute_minhash as f; print(*(a.sum() for a in f(['the same'])))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "12"
    }
    hashes, sketches = compute_minhash(["the same"])
    assert outputs == {f"{hashes.sum()} {sketches.sum()}\n".encode()}
