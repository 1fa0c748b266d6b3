import torch

from headrace.models.mlp import Linear, Mlp
from headrace.models.table import ResMlp


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_number_of_parameters() -> None:
    assert num_parameters(Linear().build([7], 3)) == 7 * 3 + 3
    assert num_parameters(Mlp(dense=[5]).build([7], 3)) == 7 * 5 + 5 + 5 * 3 + 3
    block = 2 * 4 + (4 * 6 + 6) + (6 * 4 + 4)
    expected = (7 * 4 + 4) + 3 * block + 2 * 4 + (4 * 3 + 3)
    assert num_parameters(ResMlp(width=4, hidden=6, num_blocks=3).build([7], 3)) == expected


def test_linear_is_linear() -> None:
    network = Linear().build([4], 2)
    first, second = torch.randn(2, 3, 4)
    torch.testing.assert_close(network(first + second), network(first) + network(second) - network(torch.zeros(1, 4)))


def test_resmlp_whose_blocks_say_nothing_is_its_shortcut() -> None:
    network = ResMlp(num_blocks=2, dropout=0.0).build([4], 2)
    rows = torch.randn(3, 4)
    first, *blocks, norm, relu, last = network.children()
    assert len(blocks) == 2
    for block in blocks:
        for parameter in list(block.children())[-1].parameters():
            torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(network(rows), last(relu(norm(first(rows)))))
