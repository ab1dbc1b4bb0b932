"""Time from picture files to the kernels of AlexNet's eight default layers, beside the bare arithmetic.

    python benchmarks/features.py [--quick] [--device D] [--n N]

Ours reads JPEG files, fills a fresh feature cache and makes each layer's kernel from it. The limit is
torchvision's own forward pass on standardised tensors in memory, of the memory layout and the batch size
that are fastest here, plus one symmetric product a layer (BLAS ssyrk; a matrix product on a GPU) of a
matrix in memory. The peer is what most write first: hooks on torchvision's network, a DataLoader
without workers, one float32 product a layer; it keeps every feature in memory and is run with --peer.
Weights are random. The pictures, 375 x 375 px JPEGs of 1/f noise and shapes, are made beforehand.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import torch
import torchvision
from measure import Measurement, argument_parser, measure, print_line, rounded, threads
from PIL import Image, ImageDraw
from scipy import fft
from scipy.linalg.blas import ssyrk
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.feature_extraction import create_feature_extractor

from bidsapp_synthfmri.encoding.kernels import linear_kernel
from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.cache import cached_features
from bidsapp_synthfmri.features.images import open_rgb
from bidsapp_synthfmri.structures import FloatArray, StimulusSet

FULL, QUICK = 4916, 256
SIDE, QUALITY = 375, 88
_BATCH_SIZES = (32, 64, 128)
_LAYOUTS = (torch.contiguous_format, torch.channels_last)
_COMPARED = 64


@dataclass(frozen=True)
class Kernels:
    """What ours gives.

    Attributes
    ----------
    features_s : seconds until the features were in the cache
    last : kernel of the last layer, float64
    rows : the first pictures' features, per layer
    last_features : features of the last layer
    """

    features_s: float
    last: np.ndarray
    rows: tuple[FloatArray, ...]
    last_features: FloatArray


def picture(rng: np.random.Generator) -> Image.Image:
    """Colour noise of amplitude 1/f, correlated over channels, with a few filled shapes on it."""
    noise = rng.standard_normal((1, SIDE, SIDE), dtype=np.float32)
    noise = noise + 0.3 * rng.standard_normal((3, SIDE, SIDE), dtype=np.float32)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    spectrum = fft.rfft2(noise) / np.maximum(frequency, 1 / SIDE).astype(np.float32)
    values = fft.irfft2(spectrum, (SIDE, SIDE)).transpose(1, 2, 0)
    values = 120 + 45 * (values - values.mean()) / values.std()
    image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for shape in (draw.ellipse, draw.rectangle, draw.ellipse):
        left, top = rng.integers(0, SIDE - 120, 2)
        width, height = rng.integers(40, 120, 2)
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        shape((int(left), int(top), int(left + width), int(top + height)), fill=colour)
    return image


def make_stimuli(folder: Path, n: int, rng: np.random.Generator) -> StimulusSet:
    """``n`` JPEG files."""
    paths = [folder / f"{number:05d}.jpg" for number in range(n)]
    for path in paths:
        picture(rng).save(path, quality=QUALITY)
    table = pd.DataFrame({"stimulus": [path.name for path in paths], "path": map(str, paths)})
    return StimulusSet("pictures", table)


def ours(backbone: Backbone, stimuli: StimulusSet, folder: Path) -> Kernels:
    """Files to kernels through an empty cache."""
    start = time.perf_counter()
    features = cached_features(backbone, stimuli, folder / uuid4().hex)
    features_s = time.perf_counter() - start
    images = np.arange(len(stimuli))
    for layer in features.layers:
        kernel = linear_kernel(layer.values, images, backbone.device).cpu().numpy()
    rows = tuple(np.array(layer.values[:_COMPARED]) for layer in features.layers)
    return Kernels(features_s, kernel, rows, np.array(features.layers[-1].values))


class Pictures(Dataset[Tensor]):
    """Files through torchvision's own transforms."""

    def __init__(self, stimuli: StimulusSet) -> None:
        self._paths = list(stimuli.table["path"])
        self._transforms = torchvision.models.AlexNet_Weights.DEFAULT.transforms()

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, position: int) -> Tensor:
        with Image.open(self._paths[position]) as image:
            pixels: Tensor = self._transforms(image.convert("RGB"))
        return pixels


def plain_model(backbone: Backbone) -> nn.Module:
    """torchvision's network as it comes, with the same weights."""
    model: nn.Module = torchvision.models.get_model(backbone.name, weights=None)
    model.load_state_dict(backbone.model.state_dict())
    return model.to(backbone.device).eval()


@contextmanager
def hooked(model: nn.Module, layers: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
    """What each layer gave last, as the network goes on."""
    seen: dict[str, Tensor] = {}

    def keep(layer: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: seen.update({layer: output.flatten(1).cpu()})

    handles = [model.get_submodule(layer).register_forward_hook(keep(layer)) for layer in layers]
    yield seen
    for handle in handles:
        handle.remove()


def peer(backbone: Backbone, stimuli: StimulusSet) -> FloatArray:
    """Hooks, everything in memory, one product a layer; the last layer's kernel."""
    model = plain_model(backbone)
    batches: dict[str, list[Tensor]] = {layer: [] for layer in backbone.layers}
    with torch.no_grad(), hooked(model, backbone.layers) as seen:
        for batch in DataLoader(Pictures(stimuli), batch_size=64, num_workers=0):
            model(batch.to(backbone.device))
            for layer, values in seen.items():
                batches[layer].append(values)
    for layer in backbone.layers:
        X = torch.cat(batches.pop(layer)).to(backbone.device)
        X -= X.mean(dim=0)
        kernel = X @ X.T
    return kernel.cpu().numpy()


def limit_s(backbone: Backbone, stimuli: StimulusSet) -> dict[str, Any]:
    """Seconds of the bare forward pass and of the bare products, and how the fastest pass was made."""
    extractor = create_feature_extractor(plain_model(backbone), list(backbone.nodes))
    policy = backbone.preprocessing
    pixels = [policy.square(open_rgb(path)) for path in stimuli.table["path"]]
    few = policy.standardise(torch.stack(pixels[: max(_BATCH_SIZES)])).to(backbone.device)

    def forward(layout: torch.memory_format, batches: list[Tensor]) -> None:
        model = extractor.to(memory_format=layout)
        with torch.no_grad():
            for batch in batches:
                outputs = model(batch)
        outputs[backbone.nodes[-1]].cpu()

    def split(inputs: Tensor, layout: torch.memory_format, size: int) -> list[Tensor]:
        return [batch.contiguous(memory_format=layout) for batch in inputs.split(size)]

    tried = {
        (layout, size): measure(partial(forward, layout, split(few, layout, size))).ours_s
        for layout in _LAYOUTS
        for size in [size for size in _BATCH_SIZES if size <= len(few)] or [len(few)]
    }
    layout, size = min(tried, key=lambda way: tried[way])
    batches = [
        policy.standardise(torch.stack(pixels[start : start + size]))
        .to(backbone.device)
        .contiguous(memory_format=layout)
        for start in range(0, len(pixels), size)
    ]
    forward_s = measure(partial(forward, layout, batches)).ours_s
    del batches, pixels
    units = [len(row) for row in _units(backbone)]
    return {
        "forward_s": forward_s,
        "products_s": sum(product_s(len(stimuli), n_units, backbone.device) for n_units in units),
        "batch": f"{size}, {str(layout).removeprefix('torch.')}",
        "plain_forward_s": forward_s
        * min(s for way, s in tried.items() if way[0] is _LAYOUTS[0])
        / tried[layout, size],
    }


def _units(backbone: Backbone) -> list[Tensor]:
    side = backbone.preprocessing.size
    return [layer[0] for layer in backbone.activations(torch.zeros((1, 3, side, side), dtype=torch.uint8))]


def product_s(n: int, n_units: int, device: torch.device) -> float:
    """Seconds of one symmetric product of an (n, n_units) float32 matrix in memory."""
    X = np.random.default_rng(0).random((n, n_units), dtype=np.float32)
    if device.type == "cpu":
        return measure(lambda: ssyrk(1.0, X.T, trans=1)).ours_s  # X.T is in Fortran's order: no copy
    on_device = torch.from_numpy(X).to(device)
    return measure(lambda: (on_device @ on_device.T).sum().item()).ours_s


def agreement(backbone: Backbone, stimuli: StimulusSet, found: Kernels) -> dict[str, Any]:
    """Features beside torchvision's own transforms and network; the last kernel beside float64."""
    pictures = Pictures(stimuli)
    pixels = torch.stack([pictures[position] for position in range(min(_COMPARED, len(stimuli)))])
    model = plain_model(backbone)
    with torch.no_grad(), hooked(model, backbone.layers) as seen:
        model(pixels.to(backbone.device))
    differences = [
        float(np.abs(values - seen[layer].numpy()).max() / values.std())
        for layer, values in zip(backbone.layers, found.rows, strict=True)
    ]
    X = found.last_features.astype(np.float64)
    X -= X.mean(axis=0)
    exact = X @ X.T
    return {
        "compared": f"{len(pixels)} pictures' features with torchvision's, last kernel with float64",
        "features_max_difference_in_sd": rounded(max(differences), 3),
        "kernel_max_difference_in_trace_mean": rounded(
            float(np.abs(found.last - exact).max() / np.trace(exact) * len(exact)), 3
        ),
    }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--n", type=int, help="number of pictures")
    parser.add_argument("--peer", action="store_true", help="also run the peer")
    arguments = parser.parse_args()
    n = arguments.n or (QUICK if arguments.quick else FULL)
    torch.set_num_threads(threads())
    device = torch.device(arguments.device)
    backbone = load_backbone("alexnet", "random", (), 0, device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stimuli = make_stimuli(folder, n, np.random.default_rng(0))
        measured: Measurement[Kernels, FloatArray] = measure(
            partial(ours, backbone, stimuli, folder), None, None, arguments.device
        )
        limit = limit_s(backbone, stimuli)
        measured = replace(measured, limit_s=limit["forward_s"] + limit["products_s"])
        if arguments.peer:
            measured = replace(measured, peer_s=measure(partial(peer, backbone, stimuli)).ours_s)
        close = agreement(backbone, stimuli, measured.ours)
        mean_kb = np.mean([Path(path).stat().st_size for path in stimuli.table["path"]]) / 1e3
    config = {
        "n": n,
        "backbone": "alexnet, random weights",
        "layers": len(backbone.layers),
        "jpeg_kb": round(float(mean_kb)),
        "features_s": rounded(measured.ours.features_s),
        "limit_forward_s": rounded(limit["forward_s"]),
        "limit_products_s": rounded(limit["products_s"]),
        "limit_batch": limit["batch"],
        "limit_forward_plain_layout_s": rounded(limit["plain_forward_s"]),
    }
    name = "hooks on torchvision, DataLoader without workers" if arguments.peer else None
    print_line("features", config, measured, name, close, threads(), arguments.device)


if __name__ == "__main__":
    main()
