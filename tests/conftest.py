import os
import shutil
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import pytest

from nblib.dataset import Dataset, read_dataset
from nblib.phantoms import draw_sample

matplotlib.use("Agg")

TOP = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """A drawn sample of 120 images, for reading only: a test that changes files copies it first."""
    return draw_sample(tmp_path_factory.mktemp("session") / "sample", 120)


@pytest.fixture(scope="session")
def sample_dataset(sample) -> Dataset:
    return read_dataset(sample)


TRAINING = """
from nblib.experiment import Experiment, notebook_parameters
from nblib.models import build_network
from nblib.training import load_training_data, train

experiment = Experiment(**notebook_parameters(In))
data = load_training_data(experiment)
run = train(experiment, data, build_network(experiment, len(data.vocabulary)))
"""


@pytest.fixture(scope="session")
def short_project(tmp_path_factory) -> Path:
    """A project whose notebooks 03 to 05 have their parameters and train, without a word or a figure."""
    project = tmp_path_factory.mktemp("session") / "short_project"
    (project / "notebooks").mkdir(parents=True)
    for path in (TOP / "notebooks").glob("0[345]*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        notebook.cells = [parameters, nbformat.v4.new_code_cell(TRAINING.strip())]
        nbformat.write(notebook, project / "notebooks" / path.name)
    shutil.copytree(TOP / "params", project / "params")
    return project


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
