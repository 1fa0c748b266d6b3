import pytest
import torch
from torch import nn
from torch.nn.functional import embedding

from headrace.models.tokens import ColumnEmbedding, PatchEmbedding, TokenEncoder


def test_patch_embedding_is_a_linear_map_plus_a_position() -> None:
    patches, images = PatchEmbedding([4, 6, 3], 2, 5, dropout=0.0), torch.randn(2, 3, 4, 6)
    tokens = patches(images)
    assert tokens.shape == (2, 6, 5)
    matrix = patches.project.weight.flatten(1)
    for index, (row, column) in enumerate([(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)]):
        pixels = images[:, :, row : row + 2, column : column + 2].flatten(1)
        expected = pixels @ matrix.T + patches.project.bias + patches.positions[index]
        torch.testing.assert_close(tokens[:, index], expected)


def test_column_embedding_of_numbers_and_categories() -> None:
    columns = ColumnEmbedding([0, 2, 2, 2, 5, 5], 4)  # a number, three categories, a number with a flag
    values, flags, categories = torch.randn(7, 2), torch.randint(0, 2, (7,)).float(), torch.randint(0, 3, (7,))
    features = torch.cat([values[:, :1], torch.eye(3)[categories], values[:, 1:], flags[:, None]], dim=1)
    tokens, vectors = columns(features), columns.vectors
    torch.testing.assert_close(tokens[:, 0], values[:, :1] * vectors[0] + columns.bias[0])
    torch.testing.assert_close(tokens[:, 1], embedding(categories, vectors[1:4]) + columns.bias[1])
    expected = values[:, 1:] * vectors[4] + flags[:, None] * vectors[5] + columns.bias[2]
    torch.testing.assert_close(tokens[:, 2], expected)


def test_column_embedding_does_not_save_the_layout() -> None:
    assert set(ColumnEmbedding([0, 0, 1], 4).state_dict()) == {"vectors", "bias"}


@pytest.mark.parametrize("has_class_token", [True, False])
def test_token_encoder_pools_the_class_token_or_the_mean(has_class_token: bool) -> None:
    encoder = TokenEncoder(4, [], nn.Identity(), has_class_token=has_class_token)
    tokens = torch.randn(3, 5, 4)
    if encoder.class_token is None:
        expected = encoder.norm(tokens.mean(dim=1))
    else:
        expected = encoder.norm(encoder.class_token).expand(3, -1)
    torch.testing.assert_close(encoder(tokens), expected)
