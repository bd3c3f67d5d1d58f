import json

import nbformat
import pytest
from batch.batches import SAMPLE, TABLE_3, TOP

from nblib.batch.places import ThisMachine
from nblib.batch.plan import plan_runs
from nblib.batch.worker import kill_tree

STAND_IN = """
import time
from nblib.data import ConceptVocabulary, read_dataset
from nblib.experiments import Experiment, notebook_parameters, open_run

experiment = Experiment(**notebook_parameters(In))
dataset = read_dataset(experiment.data_folder)
run = open_run(experiment, dataset, ConceptVocabulary.of(dataset.split("train", "val")["concepts"]))
gate, state = experiment.run_folder.parents[1] / "gate", run.folder / "state.npz"
with run.lock():
    rows = run.history.to_dict("records") if state.exists() else []
    while len(rows) < experiment.epochs:
        rows.append({"epoch": len(rows) + 1, "loss": 0.5, "f1": 0.5, "learning_rate": 0.1, "seconds": 0.0})
        run.write_history(rows)
        state.touch()
        until = time.monotonic() + 300
        while not gate.exists() and time.monotonic() < until:
            time.sleep(0.05)
    run.write_scores({"epochs": len(rows), "seconds": 0.0})
    state.unlink()
"""


@pytest.fixture(scope="session")
def instant_project(tmp_path_factory):
    """Notebooks 03 to 05 with a stand-in for training: it keeps a run's files, and takes no time once `gate` exists.

    After each epoch it waits for the file `gate` in the `runs` folder.
    """
    project = tmp_path_factory.mktemp("session") / "instant_project"
    (project / "notebooks").mkdir(parents=True)
    for path in (TOP / "notebooks").glob("0[345]*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        notebook.cells = [parameters, nbformat.v4.new_code_cell(STAND_IN.strip())]
        nbformat.write(notebook, project / "notebooks" / path.name)
    (project / "params").symlink_to(TOP / "params")
    return project


@pytest.fixture
def processes(tmp_path):
    """Batches that are killed at the end of the test, with the workers that tmp_path/runs names."""
    started = []
    yield started
    for process in started:
        kill_tree(process.pid)
        process.wait()
    for file in (tmp_path / "runs" / "batch").glob("*/val?/job.json"):
        kill_tree(int(json.loads(file.read_text())["job_id"]))


@pytest.fixture
def place(tmp_path):
    """This machine with two GPUs that do not exist."""
    place = ThisMachine([{"CUDA_VISIBLE_DEVICES": name} for name in ("4", "7")])
    yield place
    for process in place._processes:
        kill_tree(process.pid)
        process.wait()


@pytest.fixture
def planned(sample, tmp_path):
    """Three runs on the sample."""
    return plan_runs(TABLE_3, ["val1"], SAMPLE, {"data": str(sample), "runs": str(tmp_path / "runs")})[:3]
