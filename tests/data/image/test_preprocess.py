import torch

from headrace.data.image.preprocess import ImagePreprocess


def test_preprocess_normalises_per_channel_and_moves_channels_first() -> None:
    pixels = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    mean, std = [0.5, 0.25, 0.1], [0.25, 0.5, 2.0]
    outputs = ImagePreprocess({"mean": mean, "std": std})(pixels)
    assert outputs.shape == (2, 3, 4, 5)
    assert outputs.dtype == torch.float32
    for channel in range(3):
        expected = (pixels[..., channel].double() / 255 - mean[channel]) / std[channel]
        assert torch.allclose(outputs[:, channel].double(), expected, atol=1e-6)


def test_preprocess_statistics_are_saved_with_the_network() -> None:
    first, second = ImagePreprocess({"mean": [0.2], "std": [0.4]}), ImagePreprocess({"mean": [0.0], "std": [1.0]})
    second.load_state_dict(first.state_dict())
    pixels = torch.arange(16, dtype=torch.uint8).reshape(1, 4, 4, 1)
    assert torch.equal(second(pixels), first(pixels))
