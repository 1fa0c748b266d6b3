"""Tokenizers: byte-pair encoding learned from texts, or one of a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headrace.contracts import Json
from headrace.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PADDING, UNKNOWN = "[PAD]", "[UNK]"
LEAST_VOCABULARY = 258
"""The 256 bytes and the two special tokens."""
WORD = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}{1,48}| ?\p{N}{1,48}| ?[^\s\p{L}\p{N}]{1,48}|\s{1,48}(?!\S)|\s{1,48}"
"""GPT-2's, https://github.com/openai/gpt-2/blob/master/src/encoder.py, but none is longer than 48 characters and a
blank: learning takes time by the square of a word, and a text without blanks (a genome) is one word."""
PADDING_NAMES = (PADDING, "<pad>", "<PAD>", "<|padding|>", "<|pad|>")
UNKNOWN_NAMES = (UNKNOWN, "<unk>", "<UNK>")


class TrainedTokenizer(NamedTuple):
    """What must be known of a tokenizer to use it."""

    tokenizer: Json
    vocabulary: int
    """Ids are below this."""
    unknown: int
    """Id of the token that an empty text becomes."""


def train_tokenizer(texts: Iterator[str], vocabulary: int, *, lowercase: bool) -> TrainedTokenizer:
    """Learns merges of bytes (Sennrich et al. 2016, on bytes as GPT-2 does): every text of any script has tokens.

    The same for the same texts in any order. Padding is id 0, unknown 1. Raises ConfigError for a vocabulary that is
    too small for all bytes.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    if vocabulary < LEAST_VOCABULARY:
        raise ConfigError(
            f"params.yaml: normalize.text.vocabulary: got {vocabulary}; must be at least {LEAST_VOCABULARY}, for every"
            " byte has a token"
        )
    tokenizer = Tokenizer(models.BPE())
    lower = [normalizers.Lowercase()] if lowercase else []
    # a word is the same at the beginning of a text and within: with a blank before it
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), *lower, normalizers.Prepend(" ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PADDING, UNKNOWN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return TrainedTokenizer(json.loads(tokenizer.to_str()), tokenizer.get_vocab_size(), 1)


def from_file(name: str, max_tokens: int) -> TrainedTokenizer:
    """The tokenizer of a file, as `tokenizers` or Hugging Face's Transformers write it (`tokenizer.json`).

    Raises ConfigError where it cannot be read or used.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises where ~name is no user
    where = f"params.yaml: normalize.text.tokenizer: {name!r}"
    try:
        text = path.read_text(encoding="utf-8")
        tokenizer = _built(text)
        tokenizer.enable_truncation(max_tokens)
        tokenizer.encode("")  # tells where its special tokens alone are more than max_tokens
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read ({error.strerror}); give the path of a tokenizer.json") from None
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(f"{where}: no usable tokenizer ({reason}); give a tokenizer.json of tokenizers") from None
    ids = tokenizer.get_vocab(with_added_tokens=True)
    padding = next((ids[token] for token in PADDING_NAMES if token in ids), None)
    if padding != 0:
        got = "none" if padding is None else f"id {padding}"
        raise ConfigError(
            f"{where}: must have a padding token (one of {list(PADDING_NAMES)}) of id 0, got {got}; take another, or"
            " null to train one"
        )
    unknown = next((ids[token] for token in UNKNOWN_NAMES if token in ids), min(1, len(ids) - 1))
    return TrainedTokenizer(json.loads(text), max(ids.values()) + 1, unknown)


@lru_cache(maxsize=4)
def load_cached_tokenizer(text: str, max_tokens: int) -> Tokenizer:
    """The tokenizer of a JSON text, kept in this process for the next batch; raises DataError where it is damaged."""
    try:
        tokenizer = _built(text)
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"transform.json: holds no tokenizer ({reason}); run: dvc repro --force normalize") from None
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _built(text: str) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a text that holds "[PAD]" has no padding in it
    return tokenizer
