import torch

from headrace.data.text.preprocess import TextPreprocess


def test_ids_become_int64_unchanged() -> None:
    ids = torch.tensor([[3, 1, 0], [2**31 - 1, 0, 0]], dtype=torch.int32)
    widened = TextPreprocess({})(ids)
    assert widened.dtype == torch.int64
    assert widened.tolist() == ids.tolist()
