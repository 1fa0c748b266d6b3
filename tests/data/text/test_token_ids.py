import json

import numpy as np
from tokenizers import Tokenizer

from headrace.data.text.token_ids import PADDING, TokenEncoder
from headrace.data.text.tokenizer import train_tokenizer

TRAINED = train_tokenizer(iter(["the cat sat on the mat"] * 4), 300, lowercase=True)


def encoder_of(max_tokens: int) -> TokenEncoder:
    return TokenEncoder(Tokenizer.from_str(json.dumps(TRAINED.tokenizer)), max_tokens, TRAINED.unknown)


def test_encode_cuts_texts_and_gives_one_without_tokens_the_unknown_id() -> None:
    (whole, empty), (cut, _) = (encoder_of(size).encode(["the cat sat on the mat", ""]) for size in (16, 3))
    assert cut == whole[:3]
    assert empty == [TRAINED.unknown]
    assert encoder_of(2).encode(["[PAD] [PAD]"])[0].count(PADDING) == 0


def test_encode_cells_pads_and_leaves_missing_texts_empty() -> None:
    encoder = encoder_of(8)
    ids = encoder.encode_cells(["the cat", None, "", "the mat sat on the mat on the cat sat on it"])
    assert (ids.shape, ids.dtype) == ((4, 8), np.int32)
    (first,) = encoder.encode(["the cat"])
    assert ids[0].tolist() == first + [PADDING] * (8 - len(first))
    assert ids[1].tolist() == [PADDING] * 8
    assert ids[2].tolist() == [TRAINED.unknown] + [PADDING] * 7
    assert PADDING not in ids[3]
    assert encoder.encode_cells([]).shape == (0, 8)
