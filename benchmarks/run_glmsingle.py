"""Run GLMsingle on arrays in a folder; called with the Python that GLMsingle works in.

    python run_glmsingle.py GLMSINGLE_SOURCE FOLDER TYPES

FOLDER holds ``input.npz``: ``bold_RR`` (n_voxels, n_volumes) and ``design_RR`` (n_volumes, n_conditions) for
every run, ``session`` (n_runs,) from 1, ``tr`` and ``duration`` in seconds. TYPES are letters, such as BCD.
Written there: ``output.npz``, with (n_trials, n_voxels) percent signal change under each letter, its time as
``seconds_B`` and so on, and of the last type ``hrf_index``, ``hrf_peaks``, and ``n_components`` and
``fraction`` where it has them. Needs only numpy and GLMsingle.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

# Whether to denoise, and whether to regularise.
TYPES = {"B": (0, 0), "C": (1, 0), "D": (1, 1)}
_FINE_S = 0.1


def main() -> None:
    source, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    sys.path.insert(0, str(source))
    os.environ["MPLBACKEND"] = "Agg"
    os.chdir(folder)
    from glmsingle.glmsingle import GLM_single
    from glmsingle.hrf.gethrf import getcanonicalhrflibrary

    given = np.load("input.npz")
    runs = sorted(name[5:] for name in given.files if name.startswith("bold_"))
    design = [given[f"design_{run}"] for run in runs]
    written = {}
    for name in sys.argv[3]:
        denoise, ridge = TYPES[name]
        options = {
            "wantglmdenoise": denoise,
            "wantfracridge": ridge,
            "sessionindicator": given["session"][None],
            "wantfileoutputs": [0, 0, 0, 0],
            "wantmemoryoutputs": [0, *(int(name == other) for other in TYPES)],
        }
        bold = [given[f"bold_{run}"] for run in runs]
        start = time.perf_counter()
        model = GLM_single(options)
        fitted = model.fit(design, bold, float(given["duration"]), float(given["tr"]), "out", None)
        written[f"seconds_{name}"] = time.perf_counter() - start
        result = fitted[f"type{name.lower()}"]
        betas = np.asarray(result["betasmd"])
        written[name] = betas.reshape(-1, betas.shape[-1]).T.astype(np.float32)
    library = getcanonicalhrflibrary(float(given["duration"]), _FINE_S)  # (n_library, n)
    written["hrf_peaks"] = library.argmax(axis=1) * _FINE_S
    written["hrf_index"] = np.asarray(result["HRFindex"]).ravel()
    for name, entry in (("n_components", "pcnum"), ("fraction", "FRACvalue")):
        if entry in result:
            written[name] = np.asarray(result[entry]).ravel()
    np.savez("output.npz", **written)


if __name__ == "__main__":
    main()
