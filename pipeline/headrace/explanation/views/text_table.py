"""Tables with columns of texts: attributions of columns as bars, and of the words of texts as background colours."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.decode import format_cell, inputs_by_column, tokens_by_column
from headrace.data.table.encoding.encode import UNKNOWN
from headrace.data.text.token_ids import PADDING
from headrace.explanation.html_marks import TEMPLATE, make_marks
from headrace.explanation.methods.attributions import (
    VALUES_PER_PASS,
    AttributionRequest,
    MethodName,
    occlude_each_place,
)
from headrace.explanation.views.base import View, ViewWording
from headrace.explanation.views.table import MAX_COLUMNS, MAX_OVERVIEW_COLUMNS, TableView
from headrace.explanation.views.word_pieces import WordPieces, rank_words
from headrace.html_page import render_macro

if TYPE_CHECKING:
    from markupsafe import Markup
    from torch import Tensor, nn

Scored = list[tuple[str, float]]
ROWS_PER_BATCH = 32
MAX_CHARACTERS = 80
"""Of a text that stands among the other cells of a row."""


class TextTableView:
    """float32 `[rows, inputs]` -> attributions `[rows, places]`: one place per column, and one per token of a text."""

    wording = ViewWording(
        places="columns and words",
        maps="bars and colours",
        deleted="replaced by the value that stands for a missing one (categories: an unknown one; words: the unknown"
        " token)",
        reading="Each row has its own scale; a text has the sum of its words, which are shown below. The reference is"
        " a row without information: numbers at the value that stands for a missing one, categories unknown, texts of"
        " the same length without information.",
        overview="Columns, and words of each predicted class, over all explained rows",
        overview_note="Columns: the mean absolute attribution, whether for or against; of a text, of its sum. Words:"
        " those of the largest total attribution.",
    )
    methods: tuple[MethodName, ...] = ("integrated_gradients",)

    def __init__(self, transform: Json) -> None:
        """Takes the inputs, the columns and the tokenizer of `transform.json`."""
        from tokenizers import Tokenizer

        self._transform, self.columns = transform, inputs_by_column(transform)
        self._texts = list(tokens_by_column(transform))
        tokenizer = Tokenizer.from_str(json.dumps(transform["tokenizer"]))
        self._words = WordPieces(tokenizer, transform["tokenizer"]["model"])
        self.places: dict[str, list[int]] = {}
        """Column -> its places."""
        num_places = 0
        for name, indices in self.columns.items():
            size = len(indices) if name in self._texts else 1
            self.places[name] = list(range(num_places, num_places + size))
            num_places += size
        self._place_of_input = np.concatenate(
            [np.broadcast_to(self.places[name], len(indices)) for name, indices in self.columns.items()]
        )
        self._num_places = num_places
        # the inputs of a row without information
        empty = {"categorical": UNKNOWN, "token": transform["unknown"]}
        self._fill = np.array([empty.get(e["kind"], e.get("fill") or 0.0) for e in transform["inputs"]], np.float32)

    def find_obstacle(self, method: MethodName, network: nn.Sequential) -> str:
        """Grad-CAM and attention are not for columns."""
        del network
        return "" if method in {*self.methods, "occlusion"} else "not for tables"

    def attribute(self, request: AttributionRequest) -> NDArray[np.float32]:
        """Returns how much each column that is no text, and each token, contributes."""
        if request.method == "occlusion":
            return occlude_each_place(request, places=self.are_places(request.inputs), erase=self.erase)
        return request.map_batches(self._gradients, ROWS_PER_BATCH)

    def are_places(self, inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """All columns, and all tokens but padding."""
        places = np.ones((len(inputs), self._num_places), bool)
        for name in self._texts:
            places[:, self.places[name]] = inputs[:, self.columns[name]] != PADDING
        return places

    def erase(self, inputs: NDArray[Any], places: NDArray[np.bool_]) -> NDArray[Any]:
        """Replaces numbers by their fill value, categories and tokens by the unknown one; padding stays."""
        is_erased = (places & self.are_places(inputs))[:, self._place_of_input]
        return np.where(is_erased, self._fill, inputs)

    def show(self, row: NDArray[Any], maps: dict[MethodName, NDArray[np.float32]]) -> Markup:
        """Returns the columns that contribute most by the first method, and the texts with each word on its colour."""
        parts = self.parts(row, next(iter(maps.values())))
        strongest = sorted(parts, key=lambda part: -abs(part["attribution"]))[:MAX_COLUMNS]
        marks = make_marks((part["name"], part["value"], part["attribution"]) for part in strongest)
        texts = {
            part["name"]: make_marks((word["name"], "", word["attribution"]) for word in part["words"])
            for part in parts
            if part.get("words")
        }
        return render_macro(TEMPLATE, "bars_and_texts", marks, texts)

    def show_input(self, row: NDArray[Any]) -> Markup:
        """Returns the values of the first columns."""
        cells = [(name, self._format(name, row)) for name in list(self.columns)[:MAX_COLUMNS]]
        return render_macro(TEMPLATE, "cells", cells, max(0, len(self.columns) - MAX_COLUMNS))

    def parts(self, row: NDArray[Any], attribution: NDArray[np.float32]) -> list[Json]:
        """Returns the columns in their order, with the row's values, and of texts the words."""
        parts = []
        for name in self.columns:
            total = float(attribution[self.places[name]].sum())
            part: Json = {"name": name, "value": self._format(name, row), "attribution": total}
            if name in self._texts:
                scored = self._score_words(name, row, attribution)
                part["words"] = [{"name": word, "attribution": score} for word, score in scored]
            parts.append(part)
        return parts

    def overview(self, inputs: NDArray[Any], maps: NDArray[np.float32], groups: dict[str, NDArray[np.bool_]]) -> Markup:
        """Returns the mean absolute attribution of each column, and the words that contribute most to each group."""
        means = [(name, float(np.abs(maps[:, at].sum(axis=1)).mean())) for name, at in self.places.items()]
        largest = sorted(means, key=lambda part: (-part[1], part[0]))[:MAX_OVERVIEW_COLUMNS]
        words = {}
        for group, rows in groups.items():
            pairs = zip(inputs[rows], maps[rows], strict=True)
            scored = chain.from_iterable(self._score_words(name, *pair) for pair in pairs for name in self._texts)
            words[group] = make_marks((word, "", score) for word, score in rank_words(scored))
        columns = render_macro(TEMPLATE, "wide_bars", make_marks((name, "", mean) for name, mean in largest))
        return columns + render_macro(TEMPLATE, "bars_by_class", words)

    def _format(self, name: str, row: NDArray[Any]) -> str:
        text = format_cell(self._transform, self.columns[name], row)
        return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 3] + "..."

    def _score_words(self, name: str, row: NDArray[Any], attribution: NDArray[np.float32]) -> Scored:
        return self._words.score(row[self.columns[name]].astype(np.int64), attribution[self.places[name]])

    def _gradients(self, request: AttributionRequest) -> NDArray[np.float32]:
        """Sundararajan et al. (2017), Axiomatic Attribution for Deep Networks, equation 1, on features and embeddings.

        They sum to the difference of the output between the row without information and the row.
        """
        import torch
        from captum.attr import IntegratedGradients

        from headrace.models.text_columns import EmbeddedTexts

        prepare, rest = request.network[0], request.network[2:]
        model: Any = request.network[1]
        with torch.no_grad():
            features, embedded, masks = model.embed(prepare(torch.from_numpy(np.array(request.inputs))))
            reference, _ = model.split(prepare(torch.from_numpy(self._fill[None])))
        has_features = features.shape[1] > 0
        num_texts = len(embedded)

        def forward(*tensors: Tensor) -> Tensor:
            texts, text_masks = tensors[-2 * num_texts : -num_texts], tensors[-num_texts:]
            first = tensors[0] if has_features else texts[0].flatten(1)[:, :0]
            outputs: Tensor = rest(model.forward_embedded(EmbeddedTexts(first, list(texts), list(text_masks))))
            return outputs

        zeros = [torch.zeros_like(text[:1]) for text in embedded]
        attributions = IntegratedGradients(forward).attribute(
            (*([features] if has_features else []), *embedded),
            baselines=(*([reference] if has_features else []), *zeros),
            target=torch.from_numpy(np.array(request.outputs)),
            additional_forward_args=tuple(masks),
            n_steps=request.num_steps,
            internal_batch_size=max(1, VALUES_PER_PASS // sum(text[0].numel() for text in embedded)),
        )
        return self._place(attributions[0] if has_features else None, attributions[-num_texts:], request.inputs)

    def _place(self, features: Tensor | None, texts: tuple[Tensor, ...], inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Sums the attributions of features `[rows, features]` and of embeddings by place."""
        from headrace.data.table.encoding.preprocess import feature_columns

        maps = np.zeros((len(inputs), self._num_places), np.float32)
        if features is not None:
            places, scores = self._place_of_input[feature_columns(self._transform)], features.detach().numpy()
            for place in np.unique(places):
                maps[:, place] = scores[:, places == place].sum(axis=1)
        for name, text in zip(self._texts, texts, strict=True):
            by_token = text.sum(dim=2).detach().numpy()
            maps[:, self.places[name]] = np.where(inputs[:, self.columns[name]] == PADDING, 0, by_token)
        return maps


def make_table_view(transform: Json) -> View:
    """Returns the view of a table, with or without columns of texts."""
    return TextTableView(transform) if tokens_by_column(transform) else TableView(transform)
