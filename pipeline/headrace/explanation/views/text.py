"""Texts: attributions of tokens, shown as background colours."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.text.token_ids import PADDING
from headrace.explanation.html_marks import TEMPLATE, make_marks
from headrace.explanation.methods.attention_rollout import attribute_tokens, find_attention_obstacle
from headrace.explanation.methods.attributions import (
    METHOD_TITLES,
    VALUES_PER_PASS,
    AttributionRequest,
    MethodName,
    occlude_each_place,
)
from headrace.explanation.views.base import ViewWording
from headrace.explanation.views.word_pieces import WordPieces, rank_words
from headrace.html_page import render_macro

if TYPE_CHECKING:
    from markupsafe import Markup
    from torch import Tensor, nn

ROWS_PER_BATCH = 32
MAX_CHARACTERS = 240


class TextView:
    """int32 ids `[rows, tokens]`, 0 is padding -> attributions `[rows, tokens]`."""

    wording = ViewWording(
        places="tokens",
        maps="colours",
        deleted="replaced by the unknown token",
        reading="Each text has its own scale; a word of several tokens has their sum. The reference is a text of the"
        " same length without information, so that a pale word is one that the model does not need. Attention has no"
        " sign: it says what reaches the answer, not what speaks for it.",
        overview="Words of each predicted class",
        overview_note="The words of the largest total attribution over the explained rows that the model assigns to"
        " the class.",
    )
    methods: tuple[MethodName, ...] = ("integrated_gradients", "attention")

    def __init__(self, transform: Json) -> None:
        """Takes the tokenizer of `transform.json`."""
        from tokenizers import Tokenizer

        self._unknown = transform["unknown"]
        tokenizer = Tokenizer.from_str(json.dumps(transform["tokenizer"]))
        self._words = WordPieces(tokenizer, transform["tokenizer"]["model"])

    def find_obstacle(self, method: MethodName, network: nn.Sequential) -> str:
        """Gradients need embeddings, and attention a transformer."""
        if method == "grad_cam":
            return "only for images"
        if method == "attention":
            return find_attention_obstacle(network)
        is_possible = method == "occlusion" or hasattr(network[1], "forward_embedded")
        return "" if is_possible else "the model has no methods embed and forward_embedded"

    def attribute(self, request: AttributionRequest) -> NDArray[np.float32]:
        """Returns how much each token contributes."""
        if request.method == "occlusion":
            return occlude_each_place(request, places=self.are_places(request.inputs), erase=self.erase)
        if request.method == "attention":
            return attribute_tokens(request)
        return request.map_batches(_gradients, ROWS_PER_BATCH)

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """All tokens but padding."""
        places: NDArray[np.bool_] = inputs != PADDING
        return places

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """Replaces tokens by the unknown one; padding stays.

        Removing tokens would shorten the text, which makes a model that averages its tokens more confident.
        """
        return np.where(places & self.are_places(inputs), np.asarray(self._unknown, inputs.dtype), inputs)

    def show(self, row: NDArray[Any], maps: dict[MethodName, NDArray[np.float32]]) -> Markup:
        """Returns the text by each method, each word on its colour."""
        marks = {
            METHOD_TITLES[method]: make_marks((word, "", score) for word, score in self._words.score(row, attribution))
            for method, attribution in maps.items()
        }
        return render_macro(TEMPLATE, "texts", marks)

    def show_input(self, row: NDArray[Any]) -> Markup:
        """Returns the beginning of the text."""
        text = self._words.decode([int(token) for token in row if token != PADDING])
        return render_macro(TEMPLATE, "small_text", text[:MAX_CHARACTERS] + "..." * (len(text) > MAX_CHARACTERS))

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """Returns the words in their order."""
        return [{"name": word, "attribution": score} for word, score in self._words.score(row, attribution)]

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> Markup:
        """Returns the words that contribute most to each group, by the sum over its rows."""
        marks = {}
        for name, rows in groups.items():
            scored = (self._words.score(*pair) for pair in zip(inputs[rows], maps[rows], strict=True))
            marks[name] = make_marks((word, "", score) for word, score in rank_words(chain.from_iterable(scored)))
        return render_macro(TEMPLATE, "bars_by_class", marks)


def _gradients(request: AttributionRequest) -> NDArray[np.float32]:
    """Sundararajan et al. (2017), Axiomatic Attribution for Deep Networks, equation 1, from embeddings of zero.

    They sum to the difference of the output between a text of as many empty tokens and the text.
    """
    import torch
    from captum.attr import IntegratedGradients

    model: Any = request.network[1]

    def forward(embedded: Tensor, mask: Tensor) -> Tensor:
        outputs: Tensor = request.network[2:](model.forward_embedded(embedded, mask))
        return outputs

    with torch.no_grad():
        ids = request.network[0](torch.from_numpy(np.array(request.inputs)))
        embedded = model.embed(ids)
    attributions: Tensor = IntegratedGradients(forward).attribute(
        embedded,
        target=torch.from_numpy(np.array(request.outputs)),
        additional_forward_args=(ids != PADDING,),
        n_steps=request.num_steps,
        internal_batch_size=max(1, VALUES_PER_PASS // embedded[0].numel()),
    )
    scores = attributions.sum(dim=2).detach().numpy().astype(np.float32)
    return np.where(request.inputs == PADDING, np.float32(0), scores)
