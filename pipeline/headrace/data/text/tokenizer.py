"""Tokenizers: byte-level byte-pair encoding trained on texts, or a tokenizer file."""

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
MIN_VOCABULARY = 258
"""256 bytes and two special tokens."""
WORD = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}{1,48}| ?\p{N}{1,48}| ?[^\s\p{L}\p{N}]{1,48}|\s{1,48}(?!\S)|\s{1,48}"
"""GPT-2's pattern (https://github.com/openai/gpt-2/blob/master/src/encoder.py), limited to 48 characters and a space:
training time is quadratic in word length, and a text without spaces (a genome) is one word."""
PADDING_NAMES = (PADDING, "<pad>", "<PAD>", "<|padding|>", "<|pad|>")
UNKNOWN_NAMES = (UNKNOWN, "<unk>", "<UNK>")


class TrainedTokenizer(NamedTuple):
    """A tokenizer as JSON, with its vocabulary size and unknown token."""

    tokenizer: Json
    vocabulary: int
    """All ids are below this."""
    unknown: int
    """Id that encodes an empty text."""


def train_tokenizer(texts: Iterator[str], vocabulary: int, *, lowercase: bool) -> TrainedTokenizer:
    """Trains byte-pair encoding (Sennrich et al. 2016) on bytes, as GPT-2 does, so that text in any script has tokens.

    The result does not depend on the order of the texts. Padding is id 0, unknown 1. Raises ConfigError if the
    vocabulary is too small for all bytes.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    if vocabulary < MIN_VOCABULARY:
        raise ConfigError(
            f"params.yaml: normalize.text.vocabulary: got {vocabulary}; must be at least {MIN_VOCABULARY},"
            " because every byte has a token"
        )
    tokenizer = Tokenizer(models.BPE())
    lower = [normalizers.Lowercase()] if lowercase else []
    # a leading space makes a word the same at the start of a text and within it
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


def load_tokenizer_file(name: str, max_tokens: int) -> TrainedTokenizer:
    """Loads a `tokenizer.json` as written by `tokenizers` or Hugging Face Transformers.

    Raises ConfigError if it cannot be read or used.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises for an unknown ~name
    where = f"params.yaml: normalize.text.tokenizer: {name!r}"
    try:
        text = path.read_text(encoding="utf-8")
        tokenizer = _build(text)
        tokenizer.enable_truncation(max_tokens)
        tokenizer.encode("")  # raises if its special tokens alone exceed max_tokens
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read ({error.strerror}); give the path of a tokenizer.json") from None
    except Exception as error:  # noqa: BLE001 - the library has no narrower exception
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(
            f"{where}: not a usable tokenizer ({reason}); give a tokenizer.json written by the library tokenizers"
        ) from None
    ids = tokenizer.get_vocab(with_added_tokens=True)
    padding = next((ids[token] for token in PADDING_NAMES if token in ids), None)
    if padding != 0:
        got = "none" if padding is None else f"id {padding}"
        raise ConfigError(
            f"{where}: must have a padding token (one of {list(PADDING_NAMES)}) with id 0, got {got}; use another,"
            " or null to train one"
        )
    unknown = next((ids[token] for token in UNKNOWN_NAMES if token in ids), min(1, len(ids) - 1))
    return TrainedTokenizer(json.loads(text), max(ids.values()) + 1, unknown)


@lru_cache(maxsize=16)
def load_cached_tokenizer(text: str, max_tokens: int) -> Tokenizer:
    """Returns the tokenizer of a JSON text, cached per process; raises DataError if it is corrupt."""
    try:
        tokenizer = _build(text)
    except Exception as error:  # noqa: BLE001 - the library has no narrower exception
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"transform.json: invalid tokenizer ({reason}); run: dvc repro --force normalize") from None
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _build(text: str) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a literal "[PAD]" in a text is not padding
    return tokenizer
