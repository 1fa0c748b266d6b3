"""Words of a tokenized text: which tokens belong to one word, for tokenizers of several kinds."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.text.token_ids import PADDING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenizers import Tokenizer

SPACE_MARKS = ("\u0120", "\u2581")
"""How byte-level tokenizers (GPT-2) and SentencePiece write the space before a word."""
CONTINUATION_MARK = "##"
"""How WordPiece (BERT) writes a piece that continues a word."""
PARTIAL = "\ufffd"
"""What a token decodes to that is a part of a character."""
MAX_LENGTH = 48
"""Characters of a word: a text without spaces, such as a genome, is cut."""
NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts without spaces between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese): tokens stay as they are."""
WORD_END, WORD_START = re.compile(r"[\w\ufffd]\Z"), re.compile(r"['\u2019]?[\w\ufffd]")


TOP_WORDS = 12
"""Words of an overview."""


class Word(NamedTuple):
    """A word, or a run of punctuation, with the space before it."""

    text: str
    tokens: list[int]
    """Positions in the row."""


class WordPieces:
    """Joins a tokenizer's pieces to words."""

    def __init__(self, tokenizer: Tokenizer, model: Json) -> None:
        """`model` is the entry of that name in the tokenizer's JSON."""
        self._tokenizer = tokenizer
        self._is_word_piece = model.get("type") == "WordPiece"
        self._pieces: dict[int, str] = {}

    def split(self, ids: Sequence[int]) -> list[Word]:
        """Returns the words of a row's token ids, without padding, in their order; every token is in one."""
        groups: list[list[int]] = []
        length = 0
        for position, token in enumerate(ids):
            piece = self._piece(token)
            if groups and length + len(piece) <= MAX_LENGTH and self._continues(ids[position - 1], token):
                groups[-1].append(position)
                length += len(piece)
            else:
                groups.append([position])
                length = len(piece)
        return [Word(self._join([ids[position] for position in group]), group) for group in groups]

    def score(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[tuple[str, float]]:
        """Returns the words of a row's token ids with the sum of their tokens' attributions, without padding."""
        is_token = row != PADDING
        scores = attribution[is_token]
        return [(word.text, float(scores[word.tokens].sum())) for word in self.split(row[is_token].tolist())]

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of a row's token ids."""
        return "".join(word.text for word in self.split(ids)).strip()

    @cached_property
    def _special(self) -> set[int]:
        return set(self._tokenizer.get_added_tokens_decoder())

    def _continues(self, before: int, token: int) -> bool:
        """Whether a token belongs to the word of the token before it."""
        if self._special & {before, token}:
            return False
        if self._is_word_piece:
            return self._name(token).startswith(CONTINUATION_MARK)
        end, start = self._piece(before), self._piece(token)
        if self._name(token).startswith(SPACE_MARKS) or NO_SPACES.search(end + start):
            return False
        if self._name(before) in SPACE_MARKS:  # a space that is a token of its own
            return not start[:1].isspace()
        is_word = bool(WORD_END.search(end))
        if not is_word and start[:1] in {"'", "\u2019"}:
            return not end[-1:].isspace()
        return is_word == bool(WORD_START.match(start)) and not start[:1].isspace() and not end[-1:].isspace()

    def _piece(self, token: int) -> str:
        if token not in self._pieces:
            self._pieces[token] = self._tokenizer.decode([token], skip_special_tokens=False)
        return self._pieces[token]

    def _name(self, token: int) -> str:
        return str(self._tokenizer.id_to_token(token))

    def _join(self, tokens: list[int]) -> str:
        """A word as text, with a space where one is before it; tokens that are no whole character by their names."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=False)
        if not text or PARTIAL in text:
            text = "".join(map(self._name, tokens))
        is_spaced = self._is_word_piece or self._special & set(tokens) or self._name(tokens[0]).startswith("\u2581")
        return f" {text}" if is_spaced and not text[:1].isspace() else text


def rank_words(scored: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Returns the TOP_WORDS words of the largest total attribution, over scored words of any rows."""
    sums: dict[str, float] = {}
    for word, score in scored:
        sums[word.strip()] = sums.get(word.strip(), 0.0) + score
    return sorted(sums.items(), key=lambda part: (-part[1], part[0]))[:TOP_WORDS]
