import pytest
import torch
from torch import nn

from headrace.models.table import ResMlp, TableTransformer


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_number_of_parameters() -> None:
    block = 2 * 4 + (4 * 6 + 6) + (6 * 4 + 4)
    expected = (7 * 4 + 4) + 3 * block + 2 * 4 + (4 * 3 + 3)
    assert num_parameters(ResMlp(width=4, hidden=6, num_blocks=3).build([7], 3)) == expected


def test_resmlp_with_zero_blocks_is_its_shortcut() -> None:
    network = ResMlp(num_blocks=2, dropout=0.0).build([4], 2)
    rows = torch.randn(3, 4)
    first, *blocks, norm, relu, last = network.children()
    assert len(blocks) == 2
    for block in blocks:
        for parameter in list(block.children())[-1].parameters():
            nn.init.zeros_(parameter)
    torch.testing.assert_close(network(rows), last(relu(norm(first(rows)))))


@pytest.mark.parametrize(("layout", "num_tokens"), [(None, 5), ([0, 0, 0, 1, 1], 2)])
def test_table_transformer_has_a_token_per_column(layout: list[int] | None, num_tokens: int) -> None:
    columns = TableTransformer().build([5], 2, layout=layout)[0]  # type: ignore[index]
    assert columns(torch.randn(3, 5)).shape == (3, num_tokens, 64)


def test_table_transformer_learns_an_interaction_of_columns() -> None:
    torch.manual_seed(0)
    network = TableTransformer(width=16, hidden=32, dropout=0.0).build([4], 2, layout=[0, 0, 1, 1])
    first, second = torch.randint(0, 2, (2, 64))
    features, classes = torch.cat([torch.eye(2)[first], torch.eye(2)[second]], dim=1), first ^ second
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(features), classes).backward()
        optimizer.step()
    assert (network(features).argmax(1) == classes).all(), "exclusive or is not a sum over columns"
