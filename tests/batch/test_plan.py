import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from batch.batches import SAMPLE, TABLE_3, TINY, TOP

from nblib.batch.plan import plan_runs, refuse_conflicts
from nblib.data import read_dataset
from nblib.experiments import notebook_of, notebook_parameters, paper_experiment, table_3
from nblib.system import write_json


def test_a_folder_of_ten_experiments_makes_twenty_runs_the_longest_first():
    planned = plan_runs(TABLE_3)
    assert len(planned) == 20
    assert {run.name for run in planned} == {f"{row}/{half}" for row in table_3().index for half in ("val1", "val2")}
    assert [run.name for run in planned[:2]] == ["04_vgg16_450px/val1", "04_vgg16_450px/val2"]
    assert planned[-1].name == "06_densenet169/val2"
    assert [run.cost for run in planned] == sorted((run.cost for run in planned), reverse=True)


def test_rows_of_table_3_are_trained_by_the_notebooks_that_the_readme_names():
    notebooks = [notebook_of(paper_experiment(row))[:2] for row in table_3().index]
    assert notebooks == ["03", "03", "03", "03", "04", "04", "04", "03", "05", "05"]
    small = {run.experiment.experiment_name: run.command[1] for run in plan_runs(TABLE_3, overlays=SAMPLE)}
    assert [Path(small[row]).stem[:2] for row in table_3().index] == notebooks


def test_mirrored_copies_double_the_cost_and_a_small_relative_costs_less_than_its_backbone():
    cost = {run.experiment.experiment_name: run.cost for run in plan_runs(TABLE_3, ["val1"])}
    assert cost["03_vgg16_flipped"] == 2 * cost["02_vgg16_fc4096"] == 2 * 306_000 * 227**2 * 50
    assert plan_runs(TABLE_3, overlays=SAMPLE)[0].cost < min(cost.values())


def test_any_backbone_can_be_part_of_a_grid():
    file = [TOP / "params/table3/05_resnet50.yaml"]
    grid = plan_runs(file, ["val1"], parameters={"backbone": "ResNet50,VGG19,MobileNetV2", "weights": "None"})
    assert [run.experiment.backbone for run in grid] == ["VGG19", "MobileNetV2", "ResNet50"]
    assert [Path(run.command[1]).stem[:2] for run in grid] == ["03", "04", "04"]


def test_a_grid_gives_each_point_a_name_and_one_value_leaves_the_name_as_it_is():
    file = [TOP / "params/table3/03_vgg16_flipped.yaml"]
    grid = plan_runs(
        file, ["val1"], parameters={"learning_rate": "1.0e-5,3.0e-5", "dropout": "0.5", "loss": "bce,f1_plus_bce"}
    )
    assert {run.experiment.experiment_name: (run.experiment.learning_rate, run.experiment.loss) for run in grid} == {
        "03_vgg16_flipped_learning_rate_1e-05_loss_bce": (1e-5, "bce"),
        "03_vgg16_flipped_learning_rate_1e-05_loss_f1_plus_bce": (1e-5, "f1_plus_bce"),
        "03_vgg16_flipped_learning_rate_3e-05_loss_bce": (3e-5, "bce"),
        "03_vgg16_flipped_learning_rate_3e-05_loss_f1_plus_bce": (3e-5, "f1_plus_bce"),
    }  # fmt: skip
    assert {Path(run.command[1]).stem for run in grid} == {"03_baseline_vgg16", "05_soft_f1_losses"}
    (plain,) = plan_runs(file, ["val1"], parameters={"learning_rate": "3.0e-5"})
    assert plain.name == "03_vgg16_flipped/val1"


def test_seeds_are_part_of_the_name_even_if_it_is_one():
    file = [TOP / "params/table3/03_vgg16_flipped.yaml"]
    planned = plan_runs(file, ["val1"], parameters={"dropout": "0.1,0.2"}, seeds=[1, 2])
    assert {run.experiment.experiment_name: run.experiment.seed for run in planned} == {
        f"03_vgg16_flipped_dropout_{dropout}_seed_{seed}": seed for dropout in (0.1, 0.2) for seed in (1, 2)
    }
    (one,) = plan_runs(file, ["val1"], seeds=[3])
    assert (one.name, one.experiment.base_name) == ("03_vgg16_flipped_seed_3/val1", "03_vgg16_flipped")
    with pytest.raises(ValueError, match="does not accept --seeds and -p seed together"):
        plan_runs(file, parameters={"seed": "1"}, seeds=[2])


def test_papermill_makes_of_the_command_the_experiment_that_was_planned(tmp_path):
    parameters = {**TINY, "learning_rate": "1.0e-5,3e-5", "weights": "None", "data": "my data", "runs": str(tmp_path)}
    run = plan_runs([TOP / "params/table3/07_densenet169_flipped.yaml"], ["val2"], SAMPLE, parameters)[1]
    run.run.folder.mkdir(parents=True)
    command = [sys.executable, "-m", *run.command, "--prepare-only", "--no-progress-bar"]
    subprocess.run(command, check=True, capture_output=True, cwd=Path.cwd())
    cells = nbformat.read(run.notebook, as_version=4).cells
    passed = notebook_parameters([cell.source for cell in cells if cell.source.startswith("# Parameters")])
    assert run.experiment.model_dump() == type(run.experiment)(**passed).model_dump()
    assert run.experiment.data == "my data" and run.experiment.weights is None


def test_all_is_training_on_all_images():
    planned = plan_runs([TOP / "params/table3/09_vgg16_f1_times_bce.yaml"], ["val1", "all"], SAMPLE, {"epochs": "7"})
    assert {run.name.partition("/")[2]: run.arguments[-2:] for run in planned} == {
        "val1": ("validation_half", "val1"), "all": ("train_on", "all")
    }  # fmt: skip
    (everything,) = (run.experiment for run in planned if run.experiment.train_on == "all")
    assert everything.run_folder.name == "all" and everything.epochs == 7
    with pytest.raises(ValueError, match="a batch does not accept -p train_on: give the halves by --halves"):
        plan_runs(TABLE_3, parameters={"train_on": "all"})


def test_errors_of_all_runs_are_reported_before_any_starts():
    with pytest.raises(ValueError, match=r"^unknown parameter 'ephocs': did you mean 'epochs'\? \(.*01_.*, .*10_"):
        plan_runs(TABLE_3, parameters={"ephocs": "3"})
    with pytest.raises(ValueError, match=r"parameter 'epochs': .*greater than or equal to 1; received 0"):
        plan_runs(TABLE_3, parameters={"epochs": "2,0"})
    with pytest.raises(
        ValueError, match=r"several runs would share a folder: .*/runs/same/val1, .*/runs/same/val2; give"
    ):
        plan_runs(TABLE_3, parameters={"experiment_name": "same"})
    with pytest.raises(ValueError, match="a batch does not accept -p force or -p validation_half: give"):
        plan_runs(TABLE_3, parameters={"force": "True", "validation_half": "val1"})
    with pytest.raises(ValueError, match="all runs of a batch need the same `runs` folder: set it for all"):
        plan_runs(TABLE_3, parameters={"runs": "here,there"})
    with pytest.raises(FileNotFoundError, match=r"no \.yaml in "):
        plan_runs([TOP / "nblib"])


def test_a_parameters_file_cannot_force_a_batch(tmp_path):
    (tmp_path / "forced.yaml").write_text("force: true\n")
    with pytest.raises(ValueError, match="a batch does not accept force: it would train finished runs whenever"):
        plan_runs([tmp_path / "forced.yaml"])


def test_outside_of_a_project_the_missing_notebook_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no notebook .*03_baseline_vgg16\.ipynb; start the batch in the fol"):
        plan_runs.__globals__["_defaults"].__wrapped__("03_baseline_vgg16")


def begin(run, dataset):
    """Leaves what a run leaves first."""
    facts = {"experiment": run.experiment.model_dump(), "identity": run.experiment.identity(dataset.fingerprint)}
    write_json(
        run.run.folder / "experiment.json",
        {**facts, "data": "", "data_fingerprint": dataset.fingerprint, "provenance": {}},
    )


def test_all_folders_that_hold_runs_with_other_parameters_are_reported_at_once(sample, tmp_path):
    places = {"data": str(sample), "runs": str(tmp_path)}
    planned = plan_runs(TABLE_3, ["val1"], SAMPLE, places)
    for run in planned[:2]:
        begin(run, read_dataset(sample))
    refuse_conflicts(planned)
    others = plan_runs(TABLE_3, ["val1"], SAMPLE, {**places, "epochs": "3"})
    with pytest.raises(ValueError, match="epochs 10 there, 3 here") as caught:
        refuse_conflicts(others)
    assert len(str(caught.value).splitlines()) == 2
