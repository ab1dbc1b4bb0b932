"""How many altered copies of pictures are found, how many unrelated ones are taken for copies, and how fast.

    python benchmarks/duplicates.py [--quick]

Pictures of four kinds, 375 pixels: noise with the spectrum of natural scenes (1/f^1.2), the same under a
gradient of light that all share, as a sky gives, drawings of ten categories, and crops of the photographs
that come with scikit-learn and matplotlib. Crops of one photograph are not unrelated: they count for copies
alone. Ours is reading and hashing the files in two threads, the limit decoding them alone.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import sklearn
from measure import argument_parser, measure, print_line, rounded, threads
from PIL import Image, ImageEnhance, ImageOps

from bidsapp_synthfmri.features.images import open_rgb
from bidsapp_synthfmri.features.perceptual import (
    MIRRORED,
    NEAR,
    PictureCodes,
    alike_pairs,
    alike_within,
    picture_codes,
)
from bidsapp_synthfmri.simulate.pictures import CATEGORIES, draw_picture, pink_noise

SIZE = 375
QUALITY = 90
WORKERS = 2
_LIGHT = np.linspace(-1.7, 1.7, SIZE, dtype=np.float32)[::-1, None]
_GREYS_PER_SD = 45
_BICUBIC = Image.Resampling.BICUBIC

Picture = Image.Image
Alteration = Callable[[Picture], Picture]


def noise(rng: np.random.Generator, light: float = 0.0) -> Picture:
    """Colour noise of natural spectrum, its channels alike in part, under a gradient of light."""
    ground = pink_noise(SIZE, rng)[..., None]
    own = np.stack([pink_noise(SIZE, rng) for _ in range(3)], axis=-1)
    values = (0.9 * ground + 0.4 * own + light * _LIGHT[..., None]) * _GREYS_PER_SD + 128
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def drawing(rng: np.random.Generator) -> Picture:
    return draw_picture(CATEGORIES[rng.integers(len(CATEGORIES))], SIZE, rng)


def photograph(photographs: list[Picture], rng: np.random.Generator) -> Picture:
    """A square crop of one of the photographs, brought to the common size."""
    whole = photographs[rng.integers(len(photographs))]
    side = int(rng.integers(200, min(whole.size)))
    left, top = (int(rng.integers(0, length - side + 1)) for length in whole.size)
    return whole.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), _BICUBIC)


def load_photographs() -> list[Picture]:
    samples = Path(sklearn.__file__).parent / "datasets" / "images"
    hopper = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return [open_rgb(path) for path in (samples / "china.jpg", samples / "flower.jpg", hopper)]


def compressed(picture: Picture, quality: int) -> Picture:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return open_rgb(Image.open(stream))


def resized(picture: Picture, size: int) -> Picture:
    return picture.resize((size, size), _BICUBIC).resize(picture.size, _BICUBIC)


def cropped(picture: Picture, share: float, corner: bool = False) -> Picture:
    """A share of width and height cut off, half at each side or all at one corner."""
    width, height = picture.size
    cut = round(width * share)
    left = 0 if corner else cut // 2
    return picture.crop((left, left, left + width - cut, left + height - cut)).resize(picture.size, _BICUBIC)


ALTERATIONS: dict[str, Alteration] = {
    "JPEG quality 95": partial(compressed, quality=95),
    "JPEG quality 50": partial(compressed, quality=50),
    "JPEG quality 30": partial(compressed, quality=30),
    "375 to 256 to 375 px": partial(resized, size=256),
    "375 to 128 to 375 px": partial(resized, size=128),
    "70% brightness": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "130% brightness": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
    "70% contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.7),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "centre crop 2%": partial(cropped, share=0.02),
    "centre crop 4%": partial(cropped, share=0.04),
    "centre crop 6%": partial(cropped, share=0.06),
    "centre crop 10%": partial(cropped, share=0.10),
    "corner crop 4%": partial(cropped, share=0.04, corner=True),
    "rotated 3 degrees": lambda picture: picture.rotate(3, resample=_BICUBIC),
    "mirrored": ImageOps.mirror,
    "mirrored, JPEG quality 50": lambda picture: compressed(ImageOps.mirror(picture), 50),
}


def stored(pictures: Iterable[Picture], folder: Path) -> list[Path]:
    folder.mkdir()
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(folder / f"{number:05d}.jpg")
        picture.save(paths[-1], quality=QUALITY)
    return paths


def found(codes: PictureCodes, paths: list[Path], alteration: str, folder: Path) -> dict[str, float]:
    """Share of altered copies found, largest hash distance and lowest correlation of those found."""
    copies = stored((ALTERATIONS[alteration](open_rgb(path)) for path in paths), folder)
    kind = MIRRORED if alteration.startswith("mirrored") else NEAR
    pairs = [pair for pair in alike_pairs(codes, picture_codes(copies, WORKERS)) if pair.first == pair.second]
    right = [pair for pair in pairs if pair.kind == kind]
    return {
        "found": rounded(len(right) / len(paths), 3) or 0.0,
        "largest_distance": max((pair.distance for pair in right), default=0),
        "lowest_correlation": rounded(min((pair.correlation for pair in right), default=1.0), 3) or 0.0,
    }


def nearest(codes: PictureCodes) -> int:
    """Smallest distance of the hashes of two different pictures, upright or mirrored."""
    least = 64
    for row in range(len(codes) - 1):
        others = codes.hashes[row + 1 :]
        for own in (codes.hashes[row], codes.mirrored[row]):
            least = min(least, int(np.bitwise_count(own ^ others).min()))
    return least


def decode(paths: list[Path]) -> None:
    with ThreadPoolExecutor(WORKERS) as executor:
        for _ in executor.map(lambda path: open_rgb(path).size, paths):
            pass


def main() -> None:
    arguments = argument_parser(__doc__).parse_args()
    n_pictures, n_altered = (40, 10) if arguments.quick else (1500, 150)
    rng = np.random.default_rng(0)
    photographs = load_photographs()
    makers: dict[str, Callable[[], Picture]] = {
        "noise": lambda: noise(rng),
        "noise under light": lambda: noise(rng, light=float(rng.uniform(0.5, 1.5))),
        "drawings": lambda: drawing(rng),
        "photographs": lambda: photograph(photographs, rng),
    }
    copies: dict[str, dict[str, Any]] = {}
    unrelated: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for kind, make in makers.items():
            n = n_altered if kind == "photographs" else n_pictures
            paths = stored((make() for _ in range(n)), Path(temporary) / kind)
            codes = picture_codes(paths, WORKERS)
            few, some = codes.take(np.arange(n_altered)), paths[:n_altered]
            copies[kind] = {
                name: found(few, some, name, Path(temporary) / f"{kind} {name}") for name in ALTERATIONS
            }
            if kind != "photographs":
                unrelated[kind] = {
                    "pairs": n * (n - 1) // 2,
                    "taken_for_copies": sum(1 for _ in alike_within(codes)),
                    "nearest": nearest(codes),
                }
            if kind == "noise":
                timing = measure(partial(picture_codes, paths[:400], WORKERS), partial(decode, paths[:400]))
    config = {"size": SIZE, "quality": QUALITY, "pictures": n_pictures, "altered": n_altered}
    agreement = {
        "compared": "altered copies, and unrelated pictures",
        "copies": copies,
        "unrelated": unrelated,
    }
    print_line("duplicates", config, timing, None, agreement, threads())


if __name__ == "__main__":
    main()
