import json

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from headrace.data.text.tokenizer import train_tokenizer
from headrace.explanation.views.word_pieces import MAX_LENGTH, WordPieces, rank_words

TEXTS = ["the cat isn't here", "an unbelievable film", "a good plot"] * 3


def byte_level() -> Tokenizer:
    return Tokenizer.from_str(json.dumps(train_tokenizer(iter(TEXTS), 300, lowercase=True).tokenizer))


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    special = ["[PAD]", "[UNK]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=60, special_tokens=special))
    return tokenizer


def sentence_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<pad>", "<unk>"]
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=60, special_tokens=special))
    return tokenizer


KINDS = {"byte level": byte_level, "WordPiece": word_piece, "SentencePiece": sentence_piece}
kinds = pytest.mark.parametrize("kind", KINDS)


def split(tokenizer: Tokenizer, text: str) -> tuple[list[str], list[int]]:
    """Words, and the number of tokens of each."""
    ids = tokenizer.encode(text).ids
    words = WordPieces(tokenizer, json.loads(tokenizer.to_str())["model"]).split(ids)
    assert [position for word in words for position in word.tokens] == list(range(len(ids)))
    return [word.text.strip() for word in words], [len(word.tokens) for word in words]


@kinds
def test_pieces_are_joined_to_words(kind: str) -> None:
    words, sizes = split(KINDS[kind](), "the unbelievable plot catches")
    assert words[:3] == ["the", "unbelievable", "plot"]
    assert max(sizes) > 1
    assert words[3].startswith("cat") or kind == "WordPiece"


@kinds
def test_words_are_separated_by_spaces(kind: str) -> None:
    tokenizer = KINDS[kind]()
    pieces = WordPieces(tokenizer, json.loads(tokenizer.to_str())["model"])
    assert pieces.decode(tokenizer.encode("the unbelievable plot").ids) == "the unbelievable plot"
    assert pieces.split([]) == []


def test_punctuation_is_apart_and_apostrophes_are_not() -> None:
    words, _ = split(byte_level(), "WIN \u00a3100!! it isn't (really) caf\u00e9...")
    assert words == ["win", "\u00a3100", "!!", "it", "isn't", "(", "really", ")", "caf\u00e9", "..."]


def test_parts_of_characters_are_joined() -> None:
    words, sizes = split(byte_level(), "ok \U0001f600 fine")
    assert words == ["ok", "\U0001f600", "fine"]
    assert sizes[1] > 1


def test_text_without_spaces_is_cut() -> None:
    words, _ = split(byte_level(), "ACGT" * 40)
    assert len(words) > 2
    assert max(map(len, words)) <= MAX_LENGTH


def test_special_tokens_stand_alone() -> None:
    words, _ = split(word_piece(), "the \u4e2d \u6587 plot")
    assert words == ["the", "[UNK]", "[UNK]", "plot"]


def test_words_are_scored_by_the_sum_of_their_tokens_and_ranked():
    tokenizer = byte_level()
    ids = [*tokenizer.encode("a good plot").ids, 0, 0]
    words = WordPieces(tokenizer, json.loads(tokenizer.to_str())["model"])
    scored = words.score(np.array(ids), np.ones(len(ids), np.float32))
    assert [word.strip() for word, _ in scored] == ["a", "good", "plot"]
    assert sum(score for _, score in scored) == len(ids) - 2
    assert rank_words([("b", 1.0), (" a", 1.0), ("b ", 2.0)]) == [("b", 3.0), ("a", 1.0)]
    assert len(rank_words((str(index), 0.0) for index in range(50))) == 12
