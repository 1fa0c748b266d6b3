"""Grad-CAM: where in an image the last feature maps of a convolutional network support an output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def find_cam_obstacle(network: nn.Module) -> str:
    """Returns why Grad-CAM does not apply to a network; empty if it does."""
    from torch import nn

    from headrace.models.attention import Attention

    modules = list(network.modules())
    if any(isinstance(module, Attention) for module in modules):
        return "its only convolution cuts out the patches, before any block"
    return "" if any(isinstance(module, nn.Conv2d) for module in modules) else "the model has no convolution"


def grad_cam(model: nn.Module, prepared: Tensor, classes: Tensor, *, num_steps: int, inputs_per_pass: int) -> Tensor:
    """Selvaraju et al. (2017), Grad-CAM, equations 1 and 2, bilinearly enlarged; does not use `num_steps`.

    Without the last ReLU of equation 2, so that places which oppose the output are shown too.
    """
    del num_steps, inputs_per_pass
    from captum.attr import LayerAttribution, LayerGradCam

    layer = find_feature_layer(model, prepared[:1])
    maps = LayerGradCam(model, layer).attribute(prepared, target=classes)
    enlarged: Tensor = LayerAttribution.interpolate(maps, tuple(prepared.shape[2:]), "bilinear")
    return enlarged[:, 0]


def find_feature_layer(model: nn.Module, prepared: Tensor) -> nn.Module:
    """Returns the module without submodules that computes the last feature maps of more than one place.

    `prepared` is a batch to run once: the order of execution is what counts, not that of definition, in which the
    projection of a residual block comes last. Raises ValueError if no module computes feature maps.
    """
    import torch

    layers: list[nn.Module] = []

    def record(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:  # noqa: PLR2004 an image
            layers.append(module)

    hooks = [module.register_forward_hook(record) for module in model.modules() if not list(module.children())]
    try:
        with torch.no_grad():
            model(prepared)
    finally:
        for hook in hooks:
            hook.remove()
    if not layers:
        raise ValueError(f"find_feature_layer: {type(model).__name__} computes no feature maps")
    return layers[-1]
