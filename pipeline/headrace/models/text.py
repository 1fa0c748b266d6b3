"""Networks for text: from int64 ids `[batch, tokens]`, 0 as padding, to `[batch, outputs]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from headrace.contracts import ModalityName
from headrace.models.mlp import dense_layers
from headrace.models.options import Activated, ActivationName, EncoderOptions, Share, Width

if TYPE_CHECKING:
    from torch import nn


class TextMean(Activated):
    """The mean of the tokens' embeddings, then dense layers: fast, and hard to beat on topics (Joulin et al. 2017)."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("text",)

    width: Width = 64
    """Features of an embedded token."""
    dense: list[Width] = [64]
    """Widths of the dense layers, each with its activation, before the last one."""
    dropout: Share = 0.0
    """Share of the features dropped before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from headrace.models.initialization import initialised
        from headrace.models.layers import MeanPooling

        head = _head(self.width, self.dense, self.dropout, num_outputs, self.activation)
        return initialised(MeanPooling(input_shape[1], self.width, head), self.init)


class Rnn(Activated):
    """Recurrent layers, the mean of their outputs over the tokens, then dense layers."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("text",)

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    """Elman's (1990), GRU (Cho et al. 2014) or LSTM (Hochreiter and Schmidhuber 1997)."""
    width: Width = 64
    """Features of an embedded token."""
    hidden: Width = 64
    """Features of the state, in each direction."""
    num_layers: Width = 1
    """Recurrent layers, one upon another."""
    bidirectional: bool = True
    """Whether each layer reads the tokens from both ends."""
    dense: list[Width] = []
    """Widths of the dense layers, each with its activation, before the last one."""
    dropout: Share = 0.0
    """Share of the features dropped behind each recurrent and before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from headrace.models.initialization import initialised
        from headrace.models.recurrent import Recurrence, Recurrent

        num_directions = 2 if self.bidirectional else 1
        widths = [self.width, *[num_directions * self.hidden] * self.num_layers]
        layers: list[list[nn.Module]] = [
            [Recurrence(self.cell, width, self.hidden) for _ in range(num_directions)] for width in widths[:-1]
        ]
        head = _head(widths[-1], self.dense, self.dropout, num_outputs, self.activation)
        network = Recurrent(input_shape[1], self.width, layers=layers, head=head, dropout=self.dropout)
        return initialised(network, self.init)


class Transformer(EncoderOptions):
    """A small transformer encoder with learned positions, the mean over the tokens, then dense layers."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("text",)

    dense: list[Width] = []
    """Widths of the dense layers with ReLU before the last one."""
    dropout: Share = 0.1
    """Share of the features dropped inside each block and before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from headrace.models.attention import Encoder
        from headrace.models.initialization import initialised

        max_tokens, vocabulary = input_shape
        blocks, head = self.encoder_blocks(self.dropout), _head(self.width, self.dense, self.dropout, num_outputs)
        network = Encoder(max_tokens, vocabulary, self.width, blocks=blocks, head=head, dropout=self.dropout)
        return initialised(network, self.init)


def _head(
    num_inputs: int, widths: list[int], dropout: float, num_outputs: int, activation: ActivationName = "relu"
) -> nn.Module:
    from torch import nn

    layers = dense_layers(num_inputs, widths, dropout=dropout, num_outputs=num_outputs, activation=activation)
    return nn.Sequential(*layers)
