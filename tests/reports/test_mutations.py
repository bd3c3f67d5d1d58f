"""Seeded mutations of every file of a run folder, through all that reads runs: the other runs are shown as ever."""

import contextlib
import json
import random
import re
import shutil
import signal

import nbformat
import numpy as np
import pytest
from benchmarks.mutations import mutated, with_another_value
from finished import finished_run
from nbformat.v4 import new_notebook
from notebook_code import run_here

from nblib.experiments import Run, watch_run
from nblib.reports.render import render_reports
from nblib.training import predict_test
from nblib.training.rules import save_rules_and_concept_scores

MUTATIONS = 200  # of notebooks, and of files of run folders
SUBMITTED = 24  # of them, those that notebook 06 is run on
EPOCH = {"epoch": 1, "loss": 0.5, "f1": 0.1, "val_loss": 0.6, "val_f1": 0.2, "learning_rate": 1e-3, "seconds": 2.0}
SCORES = {"best_epoch": 1, "epochs": 1, "seconds": 2.0, "validation_f1": 0.2, "test_f1": 0.3125, "baseline_f1": 0.1}


@contextlib.contextmanager
def within(seconds):
    """Raises TimeoutError in the block after so many seconds."""

    def stop(*_):
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def sentence_of(work):
    """Why the work was refused, in a sentence; None if it was done."""
    try:
        with within(20):
            work()
    except TimeoutError:
        raise
    except (ValueError, OSError) as error:
        assert str(error).endswith(".") and "\n" not in str(error), error
        return str(error)


@pytest.fixture(scope="module")
def whole(sample_dataset, tmp_path_factory):
    """A finished run with every file that a run may have, and its executed notebook."""
    runs = tmp_path_factory.mktemp("mutations") / "runs"
    run = finished_run(sample_dataset.folder, runs, "whole")
    halves = sample_dataset.halves()
    for name in ("val1", "val2"):
        probabilities = np.random.default_rng(0).random((len(halves[name]), len(run.vocabulary)), np.float32)
        run.write_probabilities(name, halves[name]["image_id"], probabilities)
    predict_test(run)
    run.write_history([EPOCH])
    run.write_scores(SCORES)
    save_rules_and_concept_scores(run, sample_dataset)
    source = "\n".join(
        ["# Parameters", *(f"{name} = {value!r}" for name, value in run.experiment.model_dump().items())]
    )
    cells = [nbformat.v4.new_markdown_cell("# 03 Whole"), nbformat.v4.new_code_cell(source)]
    papermill = {"input_path": "03.ipynb", "end_time": "2026-01-01", "duration": 3.2, "parameters": {"epochs": 1}}
    notebook = new_notebook(cells=cells, metadata={"papermill": papermill})
    nbformat.write(notebook, run.folder / "notebook.ipynb")
    return run


def mutate(path, generator, rng):
    """Changes bytes of the file, or a value where it is JSON."""
    if path.suffix in (".json", ".ipynb") and generator.random() < 0.7:
        path.write_text(json.dumps(with_another_value(json.loads(path.read_text()), generator)))
    else:
        path.write_bytes(mutated(path.read_bytes(), rng))


@pytest.fixture(scope="module")
def spoilt(whole):
    """The file that is mutated in each of many copies of the run, by the run; every fifth one is not finished.

    Beside them are as many mutated notebooks.
    """
    generator, rng, files = random.Random(15), np.random.default_rng(15), {}
    names = [path.relative_to(whole.folder) for path in sorted(whole.folder.rglob("*.*")) if path.is_file()]
    for number in range(MUTATIONS):
        copy = shutil.copytree(whole.folder, whole.folder.parent.parent / f"m{number}" / "val1")
        name = names[number % len(names)]
        mutate(copy / name, generator, rng)
        if number % 5 == 4:
            (copy / "scores.json").unlink()
        files[Run(copy)] = name
        notebook = shutil.copyfile(whole.folder / "notebook.ipynb", whole.folder.parent.parent / f"n{number}.ipynb")
        mutate(notebook, generator, rng)
    return files


@pytest.fixture(scope="module")
def reports(whole, spoilt):
    """The reports of all of them."""
    with within(120):
        return render_reports(whole.folder.parent.parent, whole.folder.parent.parent.with_name("reports"))


def test_the_report_has_a_page_of_every_run_and_notebook_and_the_whole_one_is_rendered(whole, spoilt, reports):
    pages = {path.stem: path for path in (reports.index.parent / "pages").iterdir()}
    mutants = {f"{name}{number}{half}" for number in range(MUTATIONS) for name, half in (("m", "--val1"), ("n", ""))}
    assert set(pages) == {"whole--val1", *mutants}
    assert "0.3125" in pages["whole--val1"].read_text()
    of_runs = [path.name == "notebook.ipynb" for path in reports.damages]
    assert min(of_runs.count(True), of_runs.count(False)) > MUTATIONS / 10 and len(of_runs) < 0.9 * len(pages)
    index = reports.index.read_text()
    assert all(f"pages/{name}.html" in index for name in pages) and "<script>x</script>" not in index


def test_watching_a_mutated_run_shows_it_or_ends_with_a_sentence(spoilt, capsys):
    sentences = [sentence_of(lambda run=run: watch_run(run.folder)) for run in spoilt]
    assert any("no process trains" in sentence for sentence in sentences if sentence)
    assert any("is damaged" in sentence for sentence in sentences if sentence) and None in sentences


@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")  # Keras's, before it refuses weights
def test_notebook_06_submits_a_mutated_run_or_ends_with_a_sentence(spoilt):
    submitted = 0
    for run, name in list(spoilt.items())[:SUBMITTED]:
        rule = name.stem if name.parent.name == "rules" else "threshold"
        sentence = sentence_of(lambda run=run, rule=rule: run_here("06_submission", run=run.folder, rule=rule))
        submitted += sentence is None
    assert SUBMITTED / 4 < submitted < SUBMITTED


def test_notebook_07_shows_the_whole_run_among_mutated_ones(whole, spoilt):
    with within(120):
        printed = run_here("07_results", runs=whole.folder.parent.parent)
    finished = int(re.search(r"(\d+) of \d+ runs are finished", printed)[1])
    assert MUTATIONS / 2 < finished < MUTATIONS
