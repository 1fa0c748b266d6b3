"""Pictures for a page: images, heat maps and a curve, as PNG in a data URI."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

HEAT_QUANTILE = 0.995  # a few strong pixels would otherwise leave the rest pale
COLOURS = "RdBu_r"  # red speaks for the class, blue against it


def image_uri(pixels: NDArray[np.uint8]) -> str:
    """An image `[height, width, channel]` of 1 or 3 channels, as it is stored."""
    from PIL import Image

    return _uri(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]))


def heat_uri(attribution: NDArray[np.float32], pixels: NDArray[np.uint8] | None = None) -> str:
    """Attributions `[height, width]` in colours: red for, blue against, white for nothing; over the image's shadow."""
    import matplotlib as mpl
    from PIL import Image

    scale = float(np.quantile(np.abs(attribution), HEAT_QUANTILE)) or 1.0
    heat = mpl.colormaps[COLOURS](np.clip(attribution / scale, -1, 1) / 2 + 0.5)[..., :3]
    if pixels is not None:
        grey = pixels.mean(axis=-1, keepdims=True) / 255
        heat = heat * (1 - 0.25 * grey)
    return _uri(Image.fromarray(np.rint(heat * 255).astype(np.uint8)))


def curves_uri(curves: dict[str, NDArray[np.float64]], *, share_of: str, followed: str) -> str:
    """Deletion curves by name, the first one in colour: what is `followed` as ever more of a row is deleted."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.2, 2.9), dpi=144, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (name, curve), colour in zip(curves.items(), ("#c2352b", "#8a8f98"), strict=False):
        share = np.linspace(0, 100, len(curve))
        axes.plot(share, curve, color=colour, linewidth=2, label=name)
        axes.fill_between(share, curve, color=colour, alpha=0.08, linewidth=0)
    axes.set(xlim=(0, 100), ylim=(0, 1.02), xlabel=f"{share_of} deleted, %", ylabel=followed)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e6e8ec")
    axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return _encoded(buffer.getvalue())


def _uri(image: object) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")  # type: ignore[attr-defined]
    return _encoded(buffer.getvalue())


def _encoded(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
