import os
import shutil
import signal
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nblib.data import ConceptVocabulary, Dataset, read_dataset
from nblib.experiments import Experiment, Run, open_run, provenance
from nblib.phantoms import draw_sample
from nblib.system import write_json

matplotlib.use("Agg")

# jsonschema compiles a grammar of addresses for two seconds when nbformat is imported; no notebook has a field for it.
sys.modules.setdefault("rfc3987_syntax", None)

# Several processes test side by side (`make test`): one thread each, or they would get in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# Files that take longest, tested first, so that no process is left alone with one of them at the end.
LONGEST = (
    "tests/test_notebooks.py",
    "tests/slurm/test_slurm.py",
    "tests/training/test_trainer.py",
    "tests/training/test_devices.py",
    "tests/widgets/test_jupyterlab.py",
    "tests/batch/",
    "tests/training/",
)

# Where tests are started in the background, a shell makes them deaf to Ctrl-C, and with them all they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOP = Path(__file__).parent.parent


def pytest_collection_modifyitems(items):
    """Puts the longest files first; within them the order stays."""

    def rank(item):
        file = item.nodeid.partition("::")[0]
        return next((number for number, long in enumerate(LONGEST) if file.startswith(long)), len(LONGEST))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """A drawn sample of 120 images, for reading only: a test that changes files copies it first."""
    return draw_sample(tmp_path_factory.mktemp("session") / "sample", 120)


@pytest.fixture(scope="session")
def sample_dataset(sample) -> Dataset:
    return read_dataset(sample)


TRAINING = """
from nblib.experiments import Experiment, notebook_parameters
from nblib.training import build_network, load_training_data, train

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


DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="session")
def vocabulary(sample_dataset) -> ConceptVocabulary:
    """The concepts of the sample."""
    return ConceptVocabulary.of(sample_dataset.images["concepts"])


@pytest.fixture
def experiment(sample, tmp_path) -> Experiment:
    """A small experiment on the sample, whose runs are below tmp_path / "runs"."""
    return Experiment(
        experiment_name="small", backbone="small_plain", weights=None, data=str(sample), runs=str(tmp_path / "runs")
    )


@pytest.fixture
def run(experiment, sample_dataset, vocabulary) -> Run:
    """The run of that experiment, opened and not trained."""
    return open_run(experiment, sample_dataset, vocabulary)


@pytest.fixture
def leave_run(tmp_path):
    """Writes a run with its executed notebook below tmp_path / "runs", as a training leaves them, without training."""

    made = provenance()

    def leave(name, half="val1", f1=(0.1, 0.3, 0.2), scored=0.31, error=None, **parameters) -> Run:
        small = {"backbone": "small_plain", "weights": None, "runs": str(tmp_path / "runs"), **parameters}
        experiment = Experiment(experiment_name=name, validation_half=half, **small)
        run = Run(experiment.run_folder)
        facts = {"experiment": experiment.model_dump(), "identity": experiment.identity("39ac"), "data": "phantoms",
                 "data_fingerprint": "39ac", "provenance": made}  # fmt: skip
        write_json(run.folder / "experiment.json", facts)
        epochs = [
            {"epoch": n, "loss": 0.5 / n, "f1": value, "val_loss": 0.6 / n, "val_f1": value, "learning_rate": 1e-3,
             "seconds": 2.0} for n, value in enumerate(f1, 1)
        ]  # fmt: skip
        run.write_history(epochs)
        if scored is not None:
            run.write_scores({"best_epoch": 2, "epochs": len(f1), "validation_f1": max(f1), "test_f1": scored,
                             "baseline_f1": 0.2, "seconds": 2.0 * len(f1)})  # fmt: skip
        nbformat.write(_executed(experiment, error), run.folder / "notebook.ipynb")
        return run

    return leave


def _executed(experiment, error) -> nbformat.NotebookNode:
    lines = [f"{name} = {value!r}" for name, value in experiment.model_dump().items()]
    outputs = [new_output("display_data", {"image/png": DOT, "text/plain": "Figure"})]
    if error:
        outputs = [new_output("error", ename="ValueError", evalue=error, traceback=[error])]
    papermill = {
        "input_path": "notebooks/03_baseline_vgg16.ipynb",
        "output_path": "runs/out.ipynb",
        "duration": 3.2,
        "start_time": "2026-01-01T10:00:00",
        "parameters": {"seed": 7, "data": "my data", "weights": None},
    }
    links = "See [04](04_deeper.ipynb), [03](03_baseline_vgg16.ipynb), [docs](../docs/x.md)."
    cells = [
        new_markdown_cell("# 03 Baseline\n\nA question."),
        new_code_cell("\n".join(["# Parameters", *lines]), metadata={"tags": ["parameters"]}),
        new_markdown_cell(f"## Curves\n\n{links}"),
        new_code_cell("draw()", outputs=outputs),
    ]
    end = {} if error else {"end_time": "2026-01-01T10:00:03"}
    return new_notebook(cells=cells, metadata={"papermill": {**papermill, **end}})


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")
