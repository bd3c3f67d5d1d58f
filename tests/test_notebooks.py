"""The notebooks: as they stand in git, and executed by plain papermill on a small sample."""

import json
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from notebook_code import run_here

from nblib.data import read_dataset
from nblib.evaluation import read_submission

TOP = Path(__file__).parent.parent
NOTEBOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))
NAMES = ["01_data_analysis", "02_encoding", "03_baseline_vgg16", "04_deeper_backbones", "05_soft_f1_losses",
         "06_submission", "07_results", "08_beyond_the_paper", "09_use_it"]  # fmt: skip
SMALL = {"small_relative": True, "weights": None, "image_size": 32, "fc_units": 16, "epochs": 2, "learning_rate": 1e-3}


def papermill(notebook, output, not_to_import=None, **parameters):
    """Runs a notebook with plain papermill in a process of its own, as a user does from the top folder.

    `not_to_import` is a folder of modules that fail when they are imported (fixture `no_tensorflow`).
    """
    command = [sys.executable, "-m", "papermill", f"notebooks/{notebook}.ipynb", str(output), "--no-progress-bar"]
    for name, value in parameters.items():
        command += ["-y", json.dumps({name: str(value) if isinstance(value, Path) else value})]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    if not_to_import:
        environment["PYTHONPATH"] = os.pathsep.join([str(not_to_import), environment.get("PYTHONPATH", "")])
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, env=environment)


def outputs_of(path):
    """All text an executed notebook shows."""
    texts = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            texts += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
    return "\n".join(texts)


def test_the_notebooks_are_the_ordered_nine():
    assert [path.stem for path in NOTEBOOKS] == NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestInGit:
    def cells(self, path):
        return nbformat.read(path, as_version=4).cells

    def test_has_no_outputs(self, path):
        code = [cell for cell in self.cells(path) if cell.cell_type == "code"]
        assert not any(cell.outputs or cell.execution_count for cell in code)

    def test_opens_with_a_title_then_parameters(self, path):
        first, second, *_ = self.cells(path)
        assert first.source.startswith(f"# {path.stem[:2]} ")
        assert second.metadata.tags == ["parameters"]
        assert second.source.startswith("# Parameters")

    def test_every_parameter_is_explained(self, path):
        lines = self.cells(path)[1].source.splitlines()[1:]
        assert all("  # " in line for line in lines)

    def test_ends_with_a_result_and_what_is_next(self, path):
        headings = [line for cell in self.cells(path) if cell.cell_type == "markdown"
                    for line in cell.source.splitlines() if line.startswith("## ")]  # fmt: skip
        assert headings[-2:] == ["## Result", "## Next"]

    def test_keeps_its_kernel_so_that_jupyterlab_does_not_ask(self, path):
        assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"

    def test_has_short_cells_that_define_nothing(self, path):
        for cell in self.cells(path)[2:]:
            if cell.cell_type == "code":
                assert len(cell.source.splitlines()) <= 16, cell.source
                assert not any(line.startswith(("def ", "class ", "!", "%pip")) for line in cell.source.splitlines())


@pytest.fixture(scope="module")
def no_tensorflow(tmp_path_factory):
    """Folder with a TensorFlow and a Keras that no one can import."""
    folder = tmp_path_factory.mktemp("no_tensorflow")
    for name in ("tensorflow", "keras"):
        (folder / f"{name}.py").write_text(f"raise ImportError('this notebook imported {name}')\n")
    return folder


@pytest.fixture(scope="module")
def executed(sample, tmp_path_factory, no_tensorflow):
    """Folder with the executed notebooks 01 to 09 and one small run; 01, 02 and 07 ran without TensorFlow."""
    folder = tmp_path_factory.mktemp("executed")
    runs = folder / "runs"
    run = runs / "03_vgg16_flipped" / "val1"
    steps = {
        "01_data_analysis": {"data": sample},
        "02_encoding": {"data": sample},
        "03_baseline_vgg16": {"data": sample, "runs": runs, **SMALL},
        "05_soft_f1_losses": {"data": sample, "runs": runs, **SMALL, "lr_reduction_factor": None},
        "04_deeper_backbones": {"data": sample, "runs": runs, **SMALL},
        "06_submission": {"run": run, "rule": "concept_thresholds"},
        "07_results": {"runs": runs},
        "08_beyond_the_paper": {"data": sample, "runs": runs, "weights": run, "submission": folder / "beyond.txt"},
        "09_use_it": {
            "run": run,
            "images": sample / "test",
            "table": folder / "predicted.csv",
            "shown": 3,
            "explained": 1,
            "nomissing": True,
        },
    }
    for notebook, parameters in steps.items():
        banned = None if notebook.startswith(("03", "04", "05", "06", "08", "09")) else no_tensorflow
        done = papermill(notebook, folder / f"{notebook}.ipynb", banned, **parameters)
        assert done.returncode == 0, f"{notebook}\n{done.stderr[-3000:]}"
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_runs_headless(executed, name):
    cells = nbformat.read(executed / f"{name}.ipynb", as_version=4).cells
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code")


def test_01_shows_the_papers_numbers_beside_ours(executed):
    shown = outputs_of(executed / "01_data_analysis.ipynb")
    assert "907,718" in shown and "20,031" in shown and "Positron emission tomography" in shown


def test_03_shows_the_sizes_of_the_papers_networks(executed):
    shown = outputs_of(executed / "03_baseline_vgg16.ipynb")
    for parameters in ("76,536,615", "146,744,103", "455,025,447", "163,525,415"):
        assert parameters in shown


@pytest.mark.parametrize("name", ["03_baseline_vgg16", "04_deeper_backbones", "05_soft_f1_losses"])
def test_training_leaves_one_line_per_epoch_and_one_figure_of_the_curves(executed, name):
    cells = nbformat.read(executed / f"{name}.ipynb", as_version=4).cells
    number = next(number for number, cell in enumerate(cells) if cell.source.startswith("run = train("))
    training, _, curves = cells[number : number + 3]
    lines = "".join(output.text for output in training.outputs if output.get("name") == "stdout").splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1/2"], ["epoch", "2/2"]], training.outputs
    pictures = [["image/png" in output.get("data", {}) for output in cell.outputs] for cell in (training, curves)]
    assert sum(map(sum, pictures)) == 1 and any(pictures[1])


def test_forced_it_trains_again_and_the_old_run_is_archived(executed, sample, tmp_path):
    runs = shutil.copytree(executed / "runs", tmp_path / "runs")
    parameters = {"data": sample, "runs": runs, **SMALL, "epochs": 1, "force": True}
    assert "epoch 1/1" in run_here("03_baseline_vgg16", **parameters)
    (archived,) = (runs / "03_vgg16_flipped").glob("val1_archived_*")
    old = executed / "runs" / "03_vgg16_flipped" / "val1"
    assert (archived / "history.csv").read_bytes() == (old / "history.csv").read_bytes()


def test_04_shows_the_sizes_of_the_deeper_networks(executed):
    shown = outputs_of(executed / "04_deeper_backbones.ipynb")
    for parameters in ("463,898,471", "375,883,303", "61,245,287", "48,727,591"):
        assert parameters in shown


def test_06_writes_submissions_that_are_accepted(executed):
    shown = outputs_of(executed / "06_submission.ipynb")
    assert "ConceptThresholds(" in shown and "expected_f1" in shown
    names = ["1_concept_thresholds.txt", "2_concept_thresholds_nomissing.txt"]
    assert all(f"{name}: accepted" in shown for name in names)
    run = executed / "runs" / "03_vgg16_flipped" / "val1"
    lines = (run / "submissions" / names[1]).read_text().splitlines()
    assert all(line.split("\t")[1] for line in lines)
    assert (run / "rules" / "concept_thresholds.json").is_file()


def test_07_shows_every_run_beside_the_paper(executed):
    shown = outputs_of(executed / "07_results.ipynb")
    assert (
        "3 of 3 runs are finished" in shown
        and "0.3475" in shown
        and "0.3745" in shown
        and "synthetic phantoms" in shown
        and "test_split_f1" in shown
    )


def test_08_evaluates_every_configuration_out_of_fold_and_writes_a_submission(executed, sample):
    shown = unescape(outputs_of(executed / "08_beyond_the_paper.ipynb"))
    for configuration in (
        "logistic regression, threshold 0.5", "rule: expected_f1", "model: k-nearest neighbours",
        "model: 03_vgg16_flipped", "pool: ensemble selection", "vote: union", "all together",
        "chosen", "groups kept together", "paper's halves", "without modality concepts",
    ):  # fmt: skip
        assert configuration in shown
    assert "beyond.txt: " in shown and "- no problems found" in shown
    answered = read_submission(executed / "beyond.txt")
    assert set(answered) == set(read_dataset(sample).split("test")["image_id"]) and all(answered.values())


def test_09_writes_the_predictions_and_says_of_each_concept_what_the_run_knows(executed, sample):
    shown = outputs_of(executed / "09_use_it.ipynb")
    assert "12 images predicted" in shown and "all were read as they are meant" in shown
    assert "nearest neighbours" not in shown and "no similar images" not in shown  # a figure shows them
    predicted = pd.read_csv(executed / "predicted.csv").set_index("image_id")
    assert set(predicted.index) == set(read_dataset(sample).split("test")["image_id"])
    found, told = set(";".join(predicted["concepts"]).split(";")), set(re.findall(r"C\d{7}", shown))
    assert told <= found and len(told) == min(len(found), 30)


def test_09_needs_nothing_but_the_run_and_the_images(executed, sample, tmp_path):
    run = shutil.copytree(executed / "runs" / "03_vgg16_flipped" / "val1", tmp_path / "run")
    facts = json.loads((run / "experiment.json").read_text())
    facts["experiment"]["data"] = str(tmp_path / "gone")
    (run / "experiment.json").write_text(json.dumps(facts))
    for name in ("rules", "concept_scores.csv", "concepts.csv"):  # as an older run
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    parameters = {"run": run, "images": sample / "test", "table": tmp_path / "predicted.json", "shown": 1}
    assert "no similar images" in run_here("09_use_it", **parameters)
    assert len(json.loads((tmp_path / "predicted.json").read_text())) == 12


def test_running_again_reads_the_finished_run_instead_of_training(executed, sample):
    history = executed / "runs" / "03_vgg16_flipped" / "val1" / "history.csv"
    before = history.stat().st_mtime_ns
    parameters = {"data": sample, "runs": executed / "runs", **SMALL}
    assert "epoch 2/2" in run_here("03_baseline_vgg16", **parameters)
    assert history.stat().st_mtime_ns == before


def test_a_mistyped_parameter_stops_papermill_before_the_run_starts(sample, tmp_path):
    where = {"data": sample, "runs": tmp_path / "runs"}
    done = papermill("03_baseline_vgg16", tmp_path / "stopped.ipynb", **where, **SMALL, epoch=3)
    assert done.returncode != 0
    assert "unknown parameter 'epoch': did you mean 'epochs'?" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("notebook", "mistyped", "sentence"),
    [
        ("03_baseline_vgg16", {"epoch": 3}, "unknown parameter 'epoch': did you mean 'epochs'?"),
        ("04_deeper_backbones", {"backbone": "ResNet5"}, "received 'ResNet5'. Did you mean 'ResNet50'?"),
        ("05_soft_f1_losses", {"loss": "f1"}, "parameter 'loss': Input should be 'bce', 'one_minus_f1',"),
    ],
    ids=["unknown name", "unknown backbone", "unknown loss"],
)
def test_a_mistyped_parameter_stops_the_notebook_before_the_run_starts(notebook, mistyped, sentence, sample, tmp_path):
    where = {"data": sample, "runs": tmp_path / "runs"}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        run_here(notebook, **where, **SMALL, **mistyped)
    assert not (tmp_path / "runs").exists()


def test_06_needs_no_tensorflow_where_the_run_keeps_its_probabilities(executed, no_tensorflow, tmp_path):
    run = executed / "runs" / "03_vgg16_flipped" / "val1"
    done = papermill("06_submission", tmp_path / "again.ipynb", no_tensorflow, run=run, year=2026)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "_threshold.zip: accepted" in outputs_of(tmp_path / "again.ipynb")


def test_a_notebook_that_trains_would_fail_without_tensorflow(sample, no_tensorflow, tmp_path):
    done = papermill("03_baseline_vgg16", tmp_path / "03.ipynb", no_tensorflow, data=sample, runs=tmp_path, **SMALL)
    assert done.returncode != 0
    assert "this notebook imported" in done.stderr


@pytest.mark.parametrize("name", ["01_data_analysis", "02_encoding"])
def test_runs_whole_on_real_images(real_data, tmp_path, name):
    done = papermill(name, tmp_path / "real.ipynb", data=real_data / "openrad")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "openrad" in outputs_of(tmp_path / "real.ipynb") or "4,073 of 4,073" in outputs_of(tmp_path / "real.ipynb")
