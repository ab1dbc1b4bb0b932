"""Rate and memory of synthesis, beside the bare forward pass of AlexNet's eight default layers.

    python benchmarks/synthesis.py [--quick] [--device D] [--n N] [--voxels V] [--jpeg]

Ours goes from pictures, generated as they are asked for, to CIFTI-2 files on disk: squares, network,
weights of all voxels spread evenly over the layers, shards with tables and hashes. The limit is torchvision's
own forward pass on standardised tensors in memory, of the memory layout and batch size that are fastest here.
With --jpeg the pictures are JPEG files of 375 px in memory instead of pixels, so that ours decodes them too.
Memory is the peak of a process of its own, at 2,000 and at 50,000 pictures, of the machine even where a GPU
computes. Weights are random; there is no peer.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import nibabel as nib
import numpy as np
import torch
from features import QUALITY, picture, plain_model
from measure import argument_parser, measure, own_peak_mb, print_line, rounded, threads
from torchvision.models.feature_extraction import create_feature_extractor

from bidsapp_synthfmri.dataset.image_listing import ListedImage, survey
from bidsapp_synthfmri.encoding import Encoder
from bidsapp_synthfmri.encoding.weights import LayerWeights, ScaledMatrix
from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.extraction import n_units
from bidsapp_synthfmri.features.images import open_rgb
from bidsapp_synthfmri.structures import VoxelSpace
from bidsapp_synthfmri.synthesis_config import SynthesisConfig
from bidsapp_synthfmri.workflow.console import Stopwatch
from bidsapp_synthfmri.workflow.passes import Pass
from bidsapp_synthfmri.workflow.synthesise import synthesise_pass

FULL, QUICK = 2000, 64
MEMORY_FULL, MEMORY_QUICK = (2000, 50_000), (256, 512)
SIDE = 256
_POOL = 64
_BATCH_SIZES, _QUICK_BATCH_SIZES = (32, 64, 128), (32,)
_LAYOUTS = (torch.contiguous_format, torch.channels_last)
_COMPARED = 32


@dataclass(frozen=True)
class Generated:
    """A picture made when it is asked for: a square cut from noise, or one of a few JPEG files.

    Attributes
    ----------
    position : decides the square, or the file
    noise : (2 * SIDE, 2 * SIDE, 3) uint8
    jpegs : files' bytes; empty for squares
    """

    position: int
    noise: np.ndarray
    jpegs: tuple[bytes, ...]

    @property
    def name(self) -> str:
        return f"generated {self.position}"

    def content(self) -> bytes | np.ndarray:
        if self.jpegs:
            return self.jpegs[self.position % len(self.jpegs)]
        row, column = divmod(self.position * 7919 % SIDE**2, SIDE)
        return self.noise[row : row + SIDE, column : column + SIDE].copy()


@dataclass(frozen=True)
class GeneratedImages:
    """``n`` generated pictures."""

    path: Path
    n: int
    noise: np.ndarray
    jpegs: tuple[bytes, ...]

    def __iter__(self) -> Iterator[ListedImage]:
        for position in range(self.n):
            made = Generated(position, self.noise, self.jpegs)
            yield ListedImage(f"{position:08d}", made, None, "")


def generated(n: int, jpeg: bool) -> GeneratedImages:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2 * SIDE, 2 * SIDE, 3), dtype=np.uint8)
    return GeneratedImages(Path("generated"), n, noise, _jpegs(rng) if jpeg else ())


def _jpegs(rng: np.random.Generator) -> tuple[bytes, ...]:
    made = []
    for _ in range(_POOL):
        stream = BytesIO()
        picture(rng).save(stream, "JPEG", quality=QUALITY)
        made.append(stream.getvalue())
    return tuple(made)


def make_encoder(backbone: Backbone, n_voxels: int) -> Encoder:
    """Random weights in half precision, the voxels spread evenly over the layers."""
    rng = np.random.default_rng(0)
    layers = []
    parts = np.array_split(np.arange(n_voxels), len(backbone.layers))
    for name, units, voxels in zip(backbone.layers, n_units(backbone), parts, strict=True):
        weights = rng.standard_normal((units, len(voxels)), dtype=np.float32) / np.float32(np.sqrt(units))
        layers.append(LayerWeights(name, voxels, ScaledMatrix.of(weights)))
    ijk = np.stack(np.unravel_index(np.arange(n_voxels), (100, 100, 100)), axis=1)
    membership = np.ones((1, n_voxels), dtype=bool)
    space = VoxelSpace(ijk, np.eye(4), (100, 100, 100), ("ROI",), membership, "T1w")
    card = {
        "participant": "01",
        "task": "images",
        "unit": "z",
        "sha256": "0" * 64,
        "backbone": backbone.identity(),
    }
    return Encoder(tuple(layers), np.zeros(n_voxels, dtype=np.float32), space, card, backbone)


def ours(encoder: Encoder, images: GeneratedImages, folder: Path) -> Path:
    """Pictures to files; gives the folder."""
    out = folder / uuid4().hex
    config = SynthesisConfig(encoder=Path("encoder.safetensors"), source=images.path, output_dir=out)
    given = Pass(images, survey(images), encoder, threads(), Stopwatch("synthesize"))
    synthesise_pass(config, given)
    return out


def limit(backbone: Backbone, n: int, batch_sizes: tuple[int, ...]) -> tuple[partial[None], str]:
    """The bare forward pass over ``n`` pictures, and how it is fastest."""
    extractor = create_feature_extractor(plain_model(backbone), list(backbone.nodes))
    size = backbone.preprocessing.size
    pool = torch.rand(2 * max(batch_sizes), 3, size, size, device=backbone.device)

    def forward(layout: torch.memory_format, batches: tuple[torch.Tensor, ...], n: int) -> None:
        model = extractor.to(memory_format=layout)
        with torch.no_grad():
            for number in range(-(-n // len(batches[0]))):
                outputs = model(batches[number % len(batches)])
        outputs[backbone.nodes[-1]].cpu()

    def batches(layout: torch.memory_format, batch_size: int) -> tuple[torch.Tensor, ...]:
        return tuple(part.contiguous(memory_format=layout) for part in pool.split(batch_size))

    tried = {
        (layout, batch_size): measure(
            partial(forward, layout, batches(layout, batch_size), 2 * max(batch_sizes))
        ).ours_s
        for layout in _LAYOUTS
        for batch_size in batch_sizes
    }
    layout, batch_size = min(tried, key=lambda way: tried[way])
    fastest = partial(forward, layout, batches(layout, batch_size), n)
    return fastest, f"{batch_size}, {str(layout).removeprefix('torch.')}"


def agreement(encoder: Encoder, images: GeneratedImages, out: Path) -> dict[str, Any]:
    """The first responses on disk beside float64 products of the same features with the same weights."""
    paths = sorted(out.glob("sub-01/func/*_stat-effect_statmap.dscalar.nii"))
    written = np.asarray(nib.load(paths[0]).dataobj[:_COMPARED])
    assert encoder.backbone is not None
    pixels = [
        encoder.backbone.preprocessing.square(open_rgb(image.picture))
        for image, _ in zip(images, range(_COMPARED), strict=False)
    ]
    layers = encoder.backbone.activations(torch.stack(pixels))
    exact = np.zeros(written.shape)
    for layer, units in zip(encoder.weights, layers, strict=True):
        matrix = layer.readout.values.astype(np.float64) * layer.readout.scale
        exact[:, layer.voxels] = units.cpu().numpy().astype(np.float64) @ matrix
    difference = np.abs(written - exact).max(axis=0) / exact.std(axis=0)
    return {
        "compared": f"responses to {len(written)} pictures on disk with products in float64",
        "max_difference_in_sd": rounded(float(difference.max()), 3),
    }


def memory(arguments: argparse.Namespace, n: int) -> float:
    """Peak MB of a process that synthesises ``n`` pictures."""
    words = [sys.executable, __file__, "--only-memory", "--n", str(n), "--device", arguments.device]
    words += ["--voxels", str(arguments.voxels)] + ["--jpeg"] * arguments.jpeg
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--n", type=int, help="number of pictures for the rate")
    parser.add_argument("--voxels", type=int, default=1700)
    parser.add_argument("--jpeg", action="store_true", help="pictures are JPEG files to be decoded")
    parser.add_argument("--only-memory", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    n = arguments.n or (QUICK if arguments.quick else FULL)
    torch.set_num_threads(threads())
    backbone = load_backbone("alexnet", "random", (), 0, torch.device(arguments.device))
    encoder = make_encoder(backbone, arguments.voxels)
    images = generated(n, arguments.jpeg)
    with tempfile.TemporaryDirectory() as name:
        if arguments.only_memory:
            ours(encoder, images, Path(name))
            print(own_peak_mb())
            return
        forward, batch = limit(backbone, n, _QUICK_BATCH_SIZES if arguments.quick else _BATCH_SIZES)
        measured = measure(partial(ours, encoder, images, Path(name)), forward, None, arguments.device)
        close = agreement(encoder, images, measured.ours)
    few, many = MEMORY_QUICK if arguments.quick else MEMORY_FULL
    peaks = {n_pictures: memory(arguments, n_pictures) for n_pictures in (few, many)}
    config = {
        "n": n,
        "backbone": "alexnet, random weights",
        "layers": len(backbone.layers),
        "voxels": arguments.voxels,
        "pictures": "JPEG, 375 px" if arguments.jpeg else f"pixels, {SIDE} px",
        "images_per_s": rounded(n / measured.ours_s, 3),
        "limit_batch": batch,
    }
    close |= {f"peak_mb_at_{count}": round(peak) for count, peak in peaks.items()}
    close |= {"peak_growth": rounded(peaks[many] / peaks[few] - 1, 3)}
    print_line("synthesis", config, measured, None, close, threads(), arguments.device)


if __name__ == "__main__":
    main()
