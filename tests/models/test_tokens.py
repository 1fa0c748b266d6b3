import pytest
import torch
from torch import nn
from torch.nn.functional import embedding

from headrace.models.table import TableTransformer
from headrace.models.tokens import Columns, Patches, TokenEncoder


def test_patch_is_its_pixels_times_a_matrix_plus_its_position() -> None:
    patches, images = Patches([4, 6, 3], 2, 5, dropout=0.0), torch.randn(2, 3, 4, 6)
    tokens = patches(images)
    assert tokens.shape == (2, 6, 5)
    matrix = patches.project.weight.flatten(1)
    for place, (row, column) in enumerate([(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)]):
        pixels = images[:, :, row : row + 2, column : column + 2].flatten(1)
        expected = pixels @ matrix.T + patches.project.bias + patches.positions[place]
        torch.testing.assert_close(tokens[:, place], expected)


def test_number_is_value_times_vector_and_category_an_embedding() -> None:
    columns = Columns([0, 2, 2, 2, 5, 5], 4)  # a number, three categories, a number with a flag
    values, flags, categories = torch.randn(7, 2), torch.randint(0, 2, (7,)).float(), torch.randint(0, 3, (7,))
    features = torch.cat([values[:, :1], torch.eye(3)[categories], values[:, 1:], flags[:, None]], dim=1)
    tokens, vectors = columns(features), columns.vectors
    torch.testing.assert_close(tokens[:, 0], values[:, :1] * vectors[0] + columns.bias[0])
    torch.testing.assert_close(tokens[:, 1], embedding(categories, vectors[1:4]) + columns.bias[1])
    expected = values[:, 1:] * vectors[4] + flags[:, None] * vectors[5] + columns.bias[2]
    torch.testing.assert_close(tokens[:, 2], expected)


def test_layout_is_no_weight() -> None:
    assert set(Columns([0, 0, 1], 4).state_dict()) == {"vectors", "bias"}


@pytest.mark.parametrize(("layout", "num_tokens"), [(None, 5), ([0, 0, 0, 1, 1], 2)])
def test_table_transformer_has_a_token_a_column(layout: list[int] | None, num_tokens: int) -> None:
    columns = TableTransformer().build([5], 2, layout=layout)[0]  # type: ignore[index]
    assert columns(torch.randn(3, 5)).shape == (3, num_tokens, 64)


@pytest.mark.parametrize("has_class_token", [True, False])
def test_encoder_reads_its_class_token_or_the_mean(has_class_token: bool) -> None:
    encoder = TokenEncoder(4, [], nn.Identity(), has_class_token=has_class_token)
    tokens = torch.randn(3, 5, 4)
    if encoder.class_token is None:
        expected = encoder.norm(tokens.mean(dim=1))
    else:
        expected = encoder.norm(encoder.class_token).expand(3, -1)
    torch.testing.assert_close(encoder(tokens), expected)


def test_table_transformer_learns_how_columns_go_together() -> None:
    torch.manual_seed(0)
    network = TableTransformer(width=16, hidden=32, dropout=0.0).build([4], 2, layout=[0, 0, 1, 1])
    first, second = torch.randint(0, 2, (2, 64))
    features, classes = torch.cat([torch.eye(2)[first], torch.eye(2)[second]], dim=1), first ^ second
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(features), classes).backward()
        optimizer.step()
    assert (network(features).argmax(1) == classes).all(), "exclusive or is no sum of its columns"
