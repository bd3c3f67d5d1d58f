import os
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

from nblib.dataset import Dataset, read_dataset
from nblib.phantoms import draw_sample

matplotlib.use("Agg")


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """A drawn sample of 120 images, for reading only: a test that changes files copies it first."""
    return draw_sample(tmp_path_factory.mktemp("session") / "sample", 120)


@pytest.fixture(scope="session")
def sample_dataset(sample) -> Dataset:
    return read_dataset(sample)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with openrad/, rocov2/ and roco/; never copied into the project."""
    place = os.environ.get("NBLIB_REAL_DATA")
    if not place:
        pytest.skip("NBLIB_REAL_DATA is not set to the folder with openrad/, rocov2/ and roco/")
    if not Path(place).is_dir():
        pytest.skip(f"NBLIB_REAL_DATA is {place}, and there is no such folder")
    return Path(place)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")
