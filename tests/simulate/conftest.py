"""Small simulated datasets that several tests read."""

from __future__ import annotations

import pytest

from bidsapp_synthfmri.simulate import SimulatedDataset, SimulationConfig, simulate

SMALL = {
    "participants": ("01",),
    "n_sessions": 3,
    "n_runs": 1,
    "trials_per_run": 20,
    "n_repeated": 8,
    "n_presentations": 4,
    "n_categories": 4,
    "extra_per_category": 2,
    "image_size": 48,
    "roi_voxels": 8,
}


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedDataset:
    return simulate(tmp_path_factory.mktemp("simulated"), SimulationConfig(**SMALL))


@pytest.fixture(scope="session")
def simulated_legacy(tmp_path_factory: pytest.TempPathFactory) -> SimulatedDataset:
    return simulate(tmp_path_factory.mktemp("legacy"), SimulationConfig(**SMALL, naming="legacy"))


@pytest.fixture(scope="session")
def simulated_for_truth(tmp_path_factory: pytest.TempPathFactory) -> SimulatedDataset:
    """Enough trials that reliability can be estimated; pictures are small, as nobody looks at them."""
    config = SimulationConfig(
        participants=("01",), n_repeated=64, extra_per_category=1, image_size=32, mean_response=1.0
    )
    return simulate(tmp_path_factory.mktemp("truth"), config)
