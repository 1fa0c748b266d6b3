"""Networks for text: from int64 ids `[batch, tokens]`, with 0 as padding, to `[batch, outputs]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from headrace.contracts import ModalityName
from headrace.models.mlp import make_dense_layers
from headrace.models.options import ActivationName, ActivationOptions, DropoutRate, EncoderOptions, Width

if TYPE_CHECKING:
    from torch import nn


class TextMean(ActivationOptions):
    """Mean token embedding, then dense layers: fast, and hard to beat for topics (Joulin et al. 2017)."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("text",)

    width: Width = 64
    """Features per embedded token."""
    dense: list[Width] = [64]
    """Widths of the hidden dense layers, each followed by the activation."""
    dropout: DropoutRate = 0.0
    """Fraction of features dropped before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from headrace.models.layers import MeanPooling

        head = _make_head(self.width, self.dense, self.dropout, num_outputs, self.activation)
        return self.initialize(MeanPooling(input_shape[1], self.width, head))


class Rnn(ActivationOptions):
    """Recurrent layers, mean pooling over the tokens, then dense layers."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("text",)

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    """Elman cell (1990), GRU (Cho et al. 2014) or LSTM (Hochreiter and Schmidhuber 1997)."""
    width: Width = 64
    """Features per embedded token."""
    hidden: Width = 64
    """Features of the state per direction."""
    num_layers: Width = 1
    """Number of stacked recurrent layers."""
    bidirectional: bool = True
    """Whether each layer reads the tokens in both directions."""
    dense: list[Width] = []
    """Widths of the hidden dense layers, each followed by the activation."""
    dropout: DropoutRate = 0.0
    """Fraction of features dropped after each recurrent and before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from headrace.models.recurrent import RecurrentLayer, RecurrentNetwork

        num_directions = 2 if self.bidirectional else 1
        widths = [self.width, *[num_directions * self.hidden] * self.num_layers]
        layers: list[list[nn.Module]] = [
            [RecurrentLayer(self.cell, width, self.hidden) for _ in range(num_directions)] for width in widths[:-1]
        ]
        head = _make_head(widths[-1], self.dense, self.dropout, num_outputs, self.activation)
        network = RecurrentNetwork(input_shape[1], self.width, layers=layers, head=head, dropout=self.dropout)
        return self.initialize(network)


class Transformer(EncoderOptions):
    """A small transformer encoder with learned positions, mean pooling over the tokens, then dense layers."""

    modalities: ClassVar[tuple[ModalityName, ...]] = ("text",)

    dense: list[Width] = []
    """Widths of the hidden dense layers, each followed by ReLU."""
    dropout: DropoutRate = 0.1
    """Fraction of features dropped inside each block and before each dense layer, in training."""

    def build(self, input_shape: list[int], num_outputs: int) -> nn.Module:
        """Builds the network."""
        from headrace.models.attention import TextEncoder

        max_tokens, vocabulary = input_shape
        blocks, head = self.encoder_blocks(self.dropout), _make_head(self.width, self.dense, self.dropout, num_outputs)
        network = TextEncoder(max_tokens, vocabulary, self.width, blocks=blocks, head=head, dropout=self.dropout)
        return self.initialize(network)


def _make_head(
    num_inputs: int, widths: list[int], dropout: float, num_outputs: int, activation: ActivationName = "relu"
) -> nn.Module:
    from torch import nn

    layers = make_dense_layers(num_inputs, widths, dropout=dropout, num_outputs=num_outputs, activation=activation)
    return nn.Sequential(*layers)
