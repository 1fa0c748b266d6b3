"""Texts: attributions of tokens, shown as colours behind them."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.errors import ConfigError
from headrace.explanation.attributions import VALUES_PER_PASS, AttributionRequest, hide_each
from headrace.explanation.html_marks import STYLE, marked, top_bars
from headrace.explanation.views.base import ViewWording

if TYPE_CHECKING:
    from torch import Tensor

PADDING = 0
ROWS_PER_RUN = 32
TOP_TOKENS = 12


class TextView:
    """int32 ids `[rows, tokens]`, 0 is padding -> attributions `[rows, tokens]`."""

    words = ViewWording(
        places="tokens",
        maps="colours",
        deleted="replaced by an unknown token",
        reading="""Each text has its own scale. The reference is
a text of the same length that says nothing, so that a pale token is one that the model does not miss.""",
        overview="Tokens of each predicted class",
        overview_note="Those that spoke most for it in all, over the explained rows that the model takes for it.",
        style=STYLE,
    )

    def __init__(self, transform: Json) -> None:
        """Takes the tokenizer of `transform.json`."""
        from tokenizers import Tokenizer

        self._unknown = transform["unknown"]
        self._tokenizer = Tokenizer.from_str(json.dumps(transform["tokenizer"]))

    def attribute(self, asked: AttributionRequest) -> NDArray[np.float32]:
        """How much each token speaks for it; raises ConfigError for a model without embeddings."""
        if asked.method == "occlusion":
            return hide_each(asked, places=self.are_places(asked.inputs), erase=self.erase)
        if not hasattr(asked.network[1], "forward_embedded"):
            raise ConfigError(
                "params.yaml: explain.method: integrated_gradients needs a model with the methods embed and "
                f"forward_embedded, got {type(asked.network[1]).__name__}; add them, or choose occlusion"
            )
        return asked.in_runs(_gradients, ROWS_PER_RUN)

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """All but padding."""
        places: NDArray[np.bool_] = inputs != PADDING
        return places

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """The unknown token in those places; padding stays.

        To take tokens out would make the text shorter, and a model that goes by the mean of its tokens surer.
        """
        return np.where(places & self.are_places(inputs), np.asarray(self._unknown, inputs.dtype), inputs)

    def show(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> str:
        """The text, each token on its colour."""
        return marked([(self._token(value), float(score)) for value, score in self._scored(row, attribution)])

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """Tokens in their order."""
        scored = self._scored(row, attribution)
        return [{"name": self._token(value), "attribution": float(score)} for value, score in scored]

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> str:
        """The tokens that speak most for each group, by the sum over its rows."""
        cards = []
        for name, rows in groups.items():
            sums: dict[int, float] = {}
            for row, attribution in zip(inputs[rows], maps[rows], strict=True):
                for value, score in self._scored(row, attribution):
                    sums[value] = sums.get(value, 0.0) + float(score)
            strongest = sorted(sums.items(), key=lambda part: (-part[1], part[0]))[:TOP_TOKENS]
            bars = top_bars([(self._token(value), "", score) for value, score in strongest])
            cards.append(f'<div class="card"><strong>{escape(name)}</strong>{bars}</div>')
        return f'<div class="grid">{"".join(cards)}</div>'

    def _scored(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[tuple[int, np.float32]]:
        return [(int(value), score) for value, score in zip(row, attribution, strict=True) if value != PADDING]

    def _token(self, value: int) -> str:
        """A token as it reads; what stands for no whole character by itself is shown by its name."""
        text: str = self._tokenizer.decode([value], skip_special_tokens=False)
        return text if text.strip() and "\ufffd" not in text else str(self._tokenizer.id_to_token(value))


def _gradients(asked: AttributionRequest) -> NDArray[np.float32]:
    """Sundararajan et al. (2017), Axiomatic Attribution for Deep Networks, equation 1, from embeddings of zero.

    They add up to the rise of the output from a text of as many empty tokens, and are summed over the embedding.
    """
    import torch
    from captum.attr import IntegratedGradients

    model: Any = asked.network[1]

    def forward(embedded: Tensor, mask: Tensor) -> Tensor:
        answer: Tensor = asked.network[2:](model.forward_embedded(embedded, mask))
        return answer

    with torch.no_grad():
        ids = asked.network[0](torch.from_numpy(np.array(asked.inputs)))
        embedded = model.embed(ids)
    found: Tensor = IntegratedGradients(forward).attribute(
        embedded,
        target=torch.from_numpy(np.array(asked.outputs)),
        additional_forward_args=(ids != PADDING,),
        n_steps=asked.num_steps,
        internal_batch_size=max(1, VALUES_PER_PASS // embedded[0].numel()),
    )
    scores = found.sum(dim=2).detach().numpy().astype(np.float32)
    return np.where(asked.inputs == PADDING, np.float32(0), scores)
