"""Texts: attributions of tokens, shown as background colours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.errors import ConfigError
from headrace.explanation.attributions import VALUES_PER_PASS, AttributionRequest, occlude_each_place
from headrace.explanation.html_marks import TEMPLATE, make_marks
from headrace.explanation.views.base import ViewWording
from headrace.html_page import render_macro

if TYPE_CHECKING:
    from markupsafe import Markup
    from torch import Tensor

PADDING = 0
ROWS_PER_BATCH = 32
TOP_TOKENS = 12


class TextView:
    """int32 ids `[rows, tokens]`, 0 is padding -> attributions `[rows, tokens]`."""

    wording = ViewWording(
        places="tokens",
        maps="colours",
        deleted="replaced by the unknown token",
        reading="Each text has its own scale. The reference is a text of the same length without information, so that a"
        " pale token is one that the model does not need.",
        overview="Tokens of each predicted class",
        overview_note="The tokens of the largest total attribution over the explained rows that the model assigns to"
        " the class.",
    )

    def __init__(self, transform: Json) -> None:
        """Takes the tokenizer of `transform.json`."""
        from tokenizers import Tokenizer

        self._unknown = transform["unknown"]
        self._tokenizer = Tokenizer.from_str(json.dumps(transform["tokenizer"]))

    def attribute(self, request: AttributionRequest) -> NDArray[np.float32]:
        """Returns how much each token contributes; raises ConfigError for a model without embeddings."""
        if request.method == "occlusion":
            return occlude_each_place(request, places=self.are_places(request.inputs), erase=self.erase)
        if not hasattr(request.network[1], "forward_embedded"):
            raise ConfigError(
                "params.yaml: explain.method: integrated_gradients needs a model with the methods embed and "
                f"forward_embedded, got {type(request.network[1]).__name__}; add them, or choose occlusion"
            )
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

    def show(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> Markup:
        """Returns the text, each token on its colour."""
        marks = make_marks((self._token(token), "", float(score)) for token, score in _scores(row, attribution))
        return render_macro(TEMPLATE, "tokens", marks)

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """Returns the tokens in their order."""
        scores = _scores(row, attribution)
        return [{"name": self._token(token), "attribution": float(score)} for token, score in scores]

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> Markup:
        """Returns the tokens that contribute most to each group, by the sum over its rows."""
        marks = {}
        for name, rows in groups.items():
            sums: dict[int, float] = {}
            for row, attribution in zip(inputs[rows], maps[rows], strict=True):
                for token, score in _scores(row, attribution):
                    sums[token] = sums.get(token, 0.0) + float(score)
            strongest = sorted(sums.items(), key=lambda part: (-part[1], part[0]))[:TOP_TOKENS]
            marks[name] = make_marks((self._token(token), "", score) for token, score in strongest)
        return render_macro(TEMPLATE, "bars_by_class", marks)

    def _token(self, token: int) -> str:
        """A token as text; one that is not a whole character by itself is shown by its name."""
        text: str = self._tokenizer.decode([token], skip_special_tokens=False)
        return text if text.strip() and "\ufffd" not in text else str(self._tokenizer.id_to_token(token))


def _scores(row: NDArray[Any], attribution: NDArray[np.float32]) -> list[tuple[int, np.float32]]:
    """Tokens and their attributions, without padding."""
    return [(int(token), score) for token, score in zip(row, attribution, strict=True) if token != PADDING]


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
