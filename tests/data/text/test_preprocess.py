import torch

from headrace.data.text.preprocess import TextPreprocess


def test_ids_are_widened_and_stay_as_they_are() -> None:
    ids = torch.tensor([[3, 1, 0], [2**31 - 1, 0, 0]], dtype=torch.int32)
    found = TextPreprocess({})(ids)
    assert found.dtype == torch.int64
    assert found.tolist() == ids.tolist()
