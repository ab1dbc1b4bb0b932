"""Small sound files of every format that is read, to be changed at random; and who reads them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import scipy.io
import torch
from nibabel import cifti2
from PIL import Image
from safetensors.numpy import save as safetensors_bytes

from bidsapp_synthfmri.config import RunConfig, config_values
from bidsapp_synthfmri.dataset import bold, cifti, surfaces, tables, volumes
from bidsapp_synthfmri.dataset.bold5000_betas import _read_names
from bidsapp_synthfmri.dataset.filter_file import read_filter
from bidsapp_synthfmri.dataset.image_sets import read_image_set
from bidsapp_synthfmri.dataset.matlab import MatlabFile
from bidsapp_synthfmri.dataset.names import NamedFile
from bidsapp_synthfmri.dataset.sidecars import repetition_time, stated
from bidsapp_synthfmri.dataset.volumes import reading
from bidsapp_synthfmri.decoding.experiment_list import parse_experiments
from bidsapp_synthfmri.derivatives.tables import parse_table
from bidsapp_synthfmri.encoding import (
    Encoder,
    Folds,
    GridEdge,
    Provenance,
    Search,
    TrainingData,
    VoxelChoices,
    model_card,
)
from bidsapp_synthfmri.encoding.storage import complete_card, encoder_bytes, read_encoder
from bidsapp_synthfmri.encoding.weights import LayerWeights, ScaledMatrix
from bidsapp_synthfmri.features.backbones import _recorded
from bidsapp_synthfmri.features.entries import read_entry
from bidsapp_synthfmri.features.images import open_rgb, verify
from bidsapp_synthfmri.features.preprocessing import Preprocessing
from bidsapp_synthfmri.features.weights import file_state
from bidsapp_synthfmri.structures import VoxelSpace
from bidsapp_synthfmri.workflow.label_choice import _read_coco, _read_table

AFFINE = np.diag([2.0, 2, 2, 1])


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    name : the file's
    sound : makes a sound file's bytes, in a folder that may be used
    read : reads the file as the app does
    """

    name: str
    sound: Callable[[Path], bytes]
    read: Callable[[Path], object]

    def __str__(self) -> str:
        return self.name


def _text(content: str) -> Callable[[Path], bytes]:
    return lambda _: content.encode()


def _numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape)


def _saved(name: str, image: Callable[[], Any]) -> Callable[[Path], bytes]:
    def save(folder: Path) -> bytes:
        nib.save(image(), folder / name)
        return (folder / name).read_bytes()

    return save


def _series(name: str) -> Callable[[Path], bytes]:
    def image() -> Any:
        made = nib.Nifti1Image(_numbers(4, 4, 4, 5).astype(np.int16), AFFINE)
        made.header.set_xyzt_units("mm", "sec")
        made.header["pixdim"][4] = 2
        return made

    return _saved(name, image)


def _read_series(path: Path) -> None:
    image = volumes.open_volume(path)
    repetition_time(path, [])
    if len(image.shape) == 4 and min(image.shape[:3]) > 1 and image.get_data_dtype().kind in "iuf":
        bold.read_series(path, image, [np.array([[0, 0, 0], [1, 1, 1]])])


def _read_mask(path: Path) -> None:
    image = volumes.open_volume(path)
    volumes.read_mask(path, volumes.grid_of(path, image), "itself")


def _gifti() -> Any:
    arrays = [nib.gifti.GiftiDataArray(np.arange(10, dtype=np.float32)) for _ in range(3)]
    return nib.GiftiImage(darrays=arrays)


def _read_surface(path: Path) -> None:
    surfaces.surface_shape(path)
    surfaces._read_series(path, 10)


def _dscalar() -> Any:
    inside = np.zeros((4, 4, 4), dtype=bool)
    inside[1:3, 1:3, 1:3] = True
    columns = cifti2.BrainModelAxis.from_mask(inside, affine=AFFINE, name="other")
    values = np.ones((3, 8), dtype=np.float32)
    return cifti2.Cifti2Image(values, (cifti2.ScalarAxis(["a", "b", "c"]), columns))


def _read_dscalar(path: Path) -> None:
    there = cifti.read_dscalar(path)
    none = np.zeros((0, len(there.ijk)), dtype=bool)
    voxels = VoxelSpace(there.ijk, there.grid.affine, there.grid.shape, (), none, "T1w")
    cifti.read_dscalar_values(path, np.arange(len(there.rows)), voxels)


def _matlab(folder: Path) -> bytes:
    scipy.io.savemat(folder / "x.mat", {"LHPPA": np.ones((4, 3)), "note": "text"}, do_compression=True)
    return (folder / "x.mat").read_bytes()


def _read_matlab(path: Path) -> None:
    with reading(path):
        file = MatlabFile(path)
        for name, shape in file.shapes().items():
            if shape is not None:
                file.read(name)


def _hdf5(folder: Path) -> bytes:
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("a", data=_numbers(2, 6, 6, 3).astype(np.uint8), chunks=(1, 6, 6, 3))
    return (folder / "x.h5").read_bytes()


def _npy(_: Path) -> bytes:
    stream = io.BytesIO()
    np.save(stream, _numbers(2, 6, 6, 3).astype(np.uint8))
    return stream.getvalue()


def _picture(kind: str) -> Callable[[Path], bytes]:
    def save(_: Path) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(_numbers(16, 16, 3).astype(np.uint8)).save(stream, kind)
        return stream.getvalue()

    return save


def _read_picture(path: Path) -> None:
    verify(path)
    open_rgb(path)


def _tar(folder: Path) -> bytes:
    stream = io.BytesIO()
    members = (("x.png", _picture("PNG")(folder)), ("x.json", b'{"label": "q"}'), ("y.cls", b"3"))
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _state(folder: Path) -> bytes:
    torch.save({"fc.weight": torch.ones(3, 2)}, folder / "x.pth")
    return (folder / "x.pth").read_bytes()


@cache
def small_encoder() -> Encoder:
    """An encoder of eight voxels and one layer of five units, its card whole."""
    ijk = np.array([[i, 0, 1] for i in range(8)])
    voxels = VoxelSpace(ijk, AFFINE, (8, 1, 2), ("LHPPA",), np.ones((1, 8), dtype=bool), "T1w")
    scores = np.full(8, 0.5, dtype=np.float32)
    choices = VoxelChoices(("early",), np.zeros(8, dtype=np.int64), np.ones(8), scores, scores)
    edges = (GridEdge("early", 0, 0, 8),)
    card = model_card(
        TrainingData("01", "images", ("a.jpg",), 3, "lss", "z"),
        Folds(np.array([0, 1, 1]), "2 folds", "session"),
        Search("exact", (0.1, 1.0), "voxel", "per voxel, the best", None, edges),
        choices,
        voxels,
        {
            "name": "squeezenet1_1",
            "layers": ["early"],
            "weights": "random",
            "weights_sha256": "0" * 64,
            "weights_source": "random seed 0",
            "preprocessing": PREPROCESSING,
            "seed": 0,
            "torchvision": "0.19",
        },
        Provenance({"bidsapp_synthfmri": "1"}, 7),
    )
    readout = ScaledMatrix.of(np.ones((5, 8), dtype=np.float32))
    weights = (LayerWeights("early", np.arange(8), readout),)
    return Encoder(weights, np.zeros(8, dtype=np.float32), voxels, card, None, choices)


PREPROCESSING = {
    "crop": "center",
    "size": 224,
    "resize": 256,
    "interpolation": "bilinear",
    "antialias": True,
    "mean": [0.4, 0.4, 0.4],
    "std": [0.2, 0.2, 0.2],
}


def whole_card() -> dict[str, Any]:
    """The card that ``small_encoder`` is stored with."""
    return complete_card(small_encoder(), encoder_bytes(small_encoder()))


def write_pair(path: Path, arrays: bytes, card: dict[str, Any]) -> None:
    """An encoder whose card has the arrays' hash: it protects from accidents alone."""
    path.write_bytes(arrays)
    card = {**card, "sha256": hashlib.sha256(arrays).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(card))


def _read_arrays(path: Path) -> None:
    write_pair(path, path.read_bytes(), whole_card())
    read_encoder(path)


def read_card(path: Path) -> None:
    text = path.read_bytes()
    arrays = encoder_bytes(small_encoder())
    model = path.with_name("model.safetensors")
    model.write_bytes(arrays)
    model.with_suffix(".json").write_bytes(text)
    identity = read_encoder(model).card["backbone"]
    _recorded(identity)
    Preprocessing.from_dict(identity["preprocessing"])


def _read_config(path: Path) -> None:
    values = config_values(path.read_bytes().decode(errors="replace"), str(path))
    RunConfig(**{"bids_dir": path, "output_dir": path.with_name("out"), "level": "participant", **values})


def _read_tsv_of_ours(path: Path) -> None:
    dictionary = {"a": {"Format": "integer"}, "b": {"Format": "string"}, "c": {"Format": "number"}}
    parse_table(path.read_bytes().decode(errors="replace"), dictionary, str(path))


def _read_time(path: Path) -> None:
    stated([NamedFile(path, path.parent, {})], "RepetitionTime")


def _entry(_: Path) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ones((2, 3), dtype="<f4"), version=(1, 0))
    return stream.getvalue()


def _read_entry(path: Path) -> None:
    folder = path.with_name("entry")
    folder.mkdir(exist_ok=True)
    (folder / "values.npy").write_bytes(path.read_bytes())
    (folder / "entry.json").write_text('{"crc32": 1}')
    assert read_entry(folder) is None


COCO = {
    "images": [{"id": 1}],
    "categories": [{"id": 2, "name": "dog", "supercategory": "animal"}],
    "annotations": [{"image_id": 1, "category_id": 2, "area": 3.5}],
}
FILTER = {"bold": {"run": ["1", None]}, "events": {"task": "*"}}
EXPERIMENTS = '[[experiment]]\nname = "a"\nsizes = [0.5, 2]\nnoise = "calibrated"\nrepeats = 3\n'
CONFIG = 'bids_dir = "in"\nlayers = ["a"]\nimages = [["x", "y"]]\nn_cpus = 2\nlow_mem = true\n'
EVENTS = 'onset\tduration\tstim_file\n1.5\t2\ta.jpg\n2.5\t2\t"b ""c"".jpg"\n'

FORMATS = (
    Format("events.tsv", _text(EVENTS), tables.read_tsv),
    Format("columns.tsv", _text(EVENTS), tables.read_columns),
    Format("images.tsv", _text("path\tlabel\na.png\tx\n"), lambda path: read_image_set("x", path)),
    Format("labels.tsv", _text("stimulus\tlabel\na\tb\n"), _read_table),
    Format("ours.tsv", _text("a\tb\tc\n1\t'=x\t0.5\nn/a\tn/a\tn/a\n"), _read_tsv_of_ours),
    Format("imgnames.txt", _text("a.jpg\nrep_b.jpg\n"), _read_names),
    Format("bold.json", _text('{"RepetitionTime": 2.0, "SliceTiming": [0, 1]}'), _read_time),
    Format("filter.json", _text(json.dumps(FILTER)), read_filter),
    Format("instances.json", _text(json.dumps(COCO)), _read_coco),
    Format("card.json", lambda _: json.dumps(whole_card()).encode(), read_card),
    Format("config.toml", _text(CONFIG), _read_config),
    Format(
        "experiments.toml",
        _text(EXPERIMENTS),
        lambda path: parse_experiments(path.read_bytes().decode(errors="replace"), str(path)),
    ),
    Format("bold.nii", _series("x.nii"), _read_series),
    Format("bold.nii.gz", _series("x.nii.gz"), _read_series),
    Format("mask.nii.gz", _saved("x.nii.gz", lambda: nib.Nifti1Image(np.eye(4)[None], AFFINE)), _read_mask),
    Format("bold.func.gii", _saved("x.func.gii", _gifti), _read_surface),
    Format("statmap.dscalar.nii", _saved("x.dscalar.nii", _dscalar), _read_dscalar),
    Format("rois.mat", _matlab, _read_matlab),
    Format("images.h5", _hdf5, lambda path: read_image_set("x", path)),
    Format("images.npy", _npy, lambda path: read_image_set("x", path)),
    Format("images.tar", _tar, lambda path: read_image_set("x", path)),
    *(
        Format(f"picture.{kind.lower()}", _picture(kind), _read_picture)
        for kind in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP")
    ),
    Format("weights.pth", _state, file_state),
    Format(
        "weights.safetensors",
        lambda _: safetensors_bytes({"fc.weight": np.ones((3, 2), dtype=np.float32)}),
        file_state,
    ),
    Format("model.safetensors", lambda _: encoder_bytes(small_encoder()), _read_arrays),
    Format("values.npy", _entry, _read_entry),
)
