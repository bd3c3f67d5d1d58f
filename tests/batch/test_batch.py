"""Batches: what is planned, where it is put, and what becomes of failures; real ones are in test_batch_of_twenty.py."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from batch.batches import TINY, nblib_batch, wait_for

from nblib.batch.execute import run_batch, summary
from nblib.batch.outcome import is_whole, judge, last_log
from nblib.batch.places import Job, Slurm, ThisMachine, slots
from nblib.batch.plan import plan_runs, refuse_conflicts
from nblib.batch.worker import Execution
from nblib.data import read_dataset
from nblib.experiments import notebook_of, notebook_parameters, paper_experiment, table_3
from nblib.system import take_lock, visible_gpus, write_json

TOP = Path(__file__).parents[2]
TABLE_3 = [TOP / "params" / "table3"]
SAMPLE = [TOP / "params" / "sample.yaml"]


# ---- what is planned


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


def test_what_is_wrong_with_any_run_is_told_before_one_starts():
    with pytest.raises(ValueError, match=r"^unknown parameter 'ephocs': did you mean 'epochs'\? \(.*01_.*, .*10_"):
        plan_runs(TABLE_3, parameters={"ephocs": "3"})
    with pytest.raises(ValueError, match=r"parameter 'epochs': .*greater than or equal to 1; received 0"):
        plan_runs(TABLE_3, parameters={"epochs": "2,0"})
    with pytest.raises(
        ValueError, match=r"several runs would share a folder: .*/runs/same/val1, .*/runs/same/val2; give"
    ):
        plan_runs(TABLE_3, parameters={"experiment_name": "same"})
    with pytest.raises(ValueError, match="a batch does not take force and validation_half by -p"):
        plan_runs(TABLE_3, parameters={"force": "True", "validation_half": "val1"})
    with pytest.raises(FileNotFoundError, match=r"no \.yaml in "):
        plan_runs([TOP / "nblib"])


def begin(run, dataset):
    """Leaves what a run leaves first."""
    facts = {"experiment": run.experiment.model_dump(), "identity": run.experiment.identity(dataset.fingerprint)}
    write_json(run.run.folder / "experiment.json", {**facts, "data_fingerprint": dataset.fingerprint})


def test_runs_that_are_there_with_other_parameters_are_told_all_at_once(sample, tmp_path):
    places = {"data": str(sample), "runs": str(tmp_path)}
    planned = plan_runs(TABLE_3, ["val1"], SAMPLE, places)
    for run in planned[:2]:
        begin(run, read_dataset(sample))
    refuse_conflicts(planned)
    others = plan_runs(TABLE_3, ["val1"], SAMPLE, {**places, "epochs": "3"})
    with pytest.raises(ValueError, match="epochs 10 there, 3 here") as told:
        refuse_conflicts(others)
    assert len(str(told.value).splitlines()) == 2


# ---- where it is put


def test_each_run_has_a_gpu_of_those_that_may_be_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5,7")
    assert slots(None) == [{"CUDA_VISIBLE_DEVICES": name} for name in "257"]
    assert slots(2) == [{"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "5"}]
    assert slots(None, devices=2) == [{"CUDA_VISIBLE_DEVICES": "2,5"}]
    with pytest.raises(ValueError, match="4 jobs of 1 GPU each do not fit on 3"):
        slots(4)


def test_the_gpus_are_those_that_the_driver_names(monkeypatch, tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_without_a_gpu_runs_share_the_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    cores = len(os.sched_getaffinity(0))
    assert len(slots(None)) == 1 and slots(None)[0]["TF_NUM_INTRAOP_THREADS"] == str(cores)
    assert len(slots(2 * cores)) == 2 * cores and slots(2 * cores)[0]["OMP_NUM_THREADS"] == "1"


def test_where_there_is_no_slurm_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no Slurm here: srun is not on the PATH"):
        Slurm(tmp_path / "submitit", minutes=10, max_parallel=2, partition=None, gpus=1)


# ---- one execution: real papermill and kernels, little notebooks


def execution(folder, source, *options):
    """papermill executing a notebook of these cells."""
    folder.mkdir(parents=True)
    cells = [nbformat.v4.new_code_cell(cell) for cell in ([source] if isinstance(source, str) else source)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "plain.ipynb")
    command = ("papermill", str(folder / "plain.ipynb"), str(folder / "notebook.ipynb"), *options)
    return Execution(command, folder, folder, folder)


@pytest.fixture
def place(tmp_path):
    """This machine with two GPUs that are not there."""
    place = ThisMachine(tmp_path / "submitit", [{"CUDA_VISIBLE_DEVICES": name} for name in ("4", "7")])
    yield place
    place.stop([Job("local", job.job_id, 0, psutil.Process(job._process.pid).create_time())
                for job in place._started.values() if not job.done()])  # fmt: skip


def text_of(notebook):
    """What an executed notebook printed."""
    cells = nbformat.read(notebook, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def test_runs_at_work_at_once_see_a_gpu_each_and_the_next_one_sees_that_which_is_free(place, tmp_path):
    shown = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    jobs = place.start([execution(tmp_path / "a", shown), execution(tmp_path / "b", shown)], [])
    assert place.room(jobs) == 0 and place.at_work(jobs) == set(jobs)
    wait_for(lambda: not place.at_work(jobs))
    assert [text_of(tmp_path / name / "notebook.ipynb").strip() for name in "ab"] == ["4", "7"]
    (later,) = place.start([execution(tmp_path / "c", shown)], jobs[:1])
    wait_for(lambda: not place.at_work([later]))
    assert text_of(tmp_path / "c/notebook.ipynb").strip() == "7"
    assert is_whole(tmp_path / "c/notebook.ipynb") and json.loads((tmp_path / "c/ended.json").read_text()) == {
        "code": 0
    }


def test_failures_are_told_with_their_cell_and_those_that_pass_from_those_that_do_not(place, tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter/kernels/dying"
    kernel.mkdir(parents=True)
    write_json(kernel / "kernel.json", {"argv": [sys.executable, "-c", ""], "display_name": "d", "language": "python"})
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    executions = {
        "raises": execution(tmp_path / "raises", ["print('before')", "rate = 0\n1 / rate", "print('after')"]),
        "dies": execution(tmp_path / "dies", "import os; os.kill(os.getpid(), 9)"),
        "starts not": execution(tmp_path / "starts not", "1", "--kernel", "dying"),
        "not called rightly": execution(tmp_path / "not called rightly", "1", "--no-such-option"),
    }
    pairs = [list(executions.values())[:2], list(executions.values())[2:]]
    for pair in pairs:
        jobs = place.start(pair, [])
        wait_for(lambda jobs=jobs: not place.at_work(jobs))
    outcomes = {name: judge(tmp_path / name / "notebook.ipynb", tmp_path / name) for name in executions}
    assert {name: outcome.kind for name, outcome in outcomes.items()} == {
        "raises": "failed", "dies": "passing", "starts not": "passing", "not called rightly": "failed",
    }  # fmt: skip
    assert outcomes["raises"].reason == "cell 2: ZeroDivisionError: division by zero\n    rate = 0\n    1 / rate"
    assert "kernel died" in outcomes["dies"].reason
    assert outcomes["starts not"].reason == "the kernel did not start: Kernel died before replying to kernel_info"
    assert "no-such-option" in outcomes["not called rightly"].reason.lower()
    raised = nbformat.read(tmp_path / "raises/notebook.ipynb", as_version=4)
    assert [cell.source for cell in raised.cells if cell.cell_type == "code"][-1] == "print('after')"
    assert text_of(tmp_path / "raises/notebook.ipynb") == "before\n" and not is_whole(
        tmp_path / "raises/notebook.ipynb"
    )


def test_a_run_that_another_process_trains_is_tried_again(tmp_path):
    told = {
        "output_type": "error",
        "ename": "RuntimeError",
        "evalue": "runs/a/val1 is being trained by another process",
    }
    cell = {"cell_type": "code", "source": "run = train()", "execution_count": 3, "outputs": [told]}
    write_json(tmp_path / "notebook.ipynb", {"cells": [cell]})
    assert judge(tmp_path / "notebook.ipynb", tmp_path).kind == "passing"


@pytest.mark.parametrize("victim", ["submitit's process", "the worker", "papermill", "the kernel"])
def test_whatever_is_killed_of_a_run_nothing_of_it_lives_on_and_it_counts_as_preempted(place, tmp_path, victim):
    started = tmp_path / "started"
    (job,) = place.start(
        [execution(tmp_path / "a", f"open({str(started)!r}, 'w').close()\nimport time; time.sleep(600)")], []
    )
    wait_for(started.exists)
    submitits = psutil.Process(int(job.job_id))
    worker = submitits.children()[0]
    papermill = worker.children()[0]
    kernel = papermill.children()[0]
    named = {"submitit's process": submitits, "the worker": worker, "papermill": papermill, "the kernel": kernel}
    named[victim].kill()
    wait_for(lambda: not place.at_work([job]), 30)
    assert psutil.wait_procs([worker, papermill, kernel], 20)[1] == []
    assert judge(tmp_path / "a/notebook.ipynb", tmp_path / "a").kind == "passing"


def test_a_worker_that_is_killed_while_papermill_is_only_loading_leaves_nothing_either(place, tmp_path):
    (job,) = place.start([execution(tmp_path / "a", "import time; time.sleep(600)")], [])
    submitits = psutil.Process(int(job.job_id))
    wait_for(lambda: submitits.children(recursive=True)[1:])
    worker, papermill = submitits.children(recursive=True)[:2]
    worker.kill()
    assert psutil.wait_procs([papermill], 30)[1] == []
    assert judge(tmp_path / "a/notebook.ipynb", tmp_path / "a").reason == "its process was killed"


def test_stopping_ends_all_that_belongs_to_a_run(place, tmp_path):
    started = tmp_path / "started"
    (job,) = place.start(
        [execution(tmp_path / "a", f"open({str(started)!r}, 'w').close()\nimport time; time.sleep(600)")], []
    )
    wait_for(started.exists)
    family = psutil.Process(int(job.job_id)).children(recursive=True)
    assert len(family) >= 3
    began = time.monotonic()
    assert place.stop([job]) == "1 at work were stopped, each keeps its whole epochs"
    assert psutil.wait_procs(family, 10)[1] == [] and time.monotonic() - began < 15
    assert place.at_work([job]) == set() and last_log(tmp_path / "a").count("papermill") == 1


# ---- a place where nothing is executed: what becomes of outcomes


class Nowhere:
    """A place whose jobs end at once, with the outcome that was laid down for them."""

    name, every, lag = "nowhere", 0, 0

    def __init__(self, leave):
        self.leave, self.started = leave, []

    def room(self, jobs):
        return 1 - len(jobs)

    def start(self, executions, jobs):
        self.started += [each.run_folder.parent.name for each in executions]
        for each in executions:
            self.leave(each, self.started.count(each.run_folder.parent.name))
        return [Job(self.name, str(len(self.started)))]

    def at_work(self, jobs):
        return set()

    def why_gone(self, job):
        return None

    def stop(self, jobs):
        return ""


@pytest.fixture
def planned(sample, tmp_path, monkeypatch):
    """Three runs, with nothing to prepare."""
    monkeypatch.setattr("nblib.batch.execute.prepare", lambda experiments: None)
    return plan_runs(TABLE_3, ["val1"], SAMPLE, {"data": str(sample), "runs": str(tmp_path / "runs")})[:3]


def finish(execution, attempt=1):
    """What a good execution leaves, as far as a batch looks at it."""
    write_json(execution.run_folder / "scores.json", {})
    write_json(execution.run_folder / "notebook.ipynb", {"metadata": {"papermill": {"end_time": "then"}}})
    write_json(execution.books / "ended.json", {"code": 0})


def test_only_failures_that_pass_are_tried_again_and_so_often_as_was_said(planned, capfd):
    first, second, third = (run.experiment.experiment_name for run in planned)

    def leave(execution, attempt):
        name = execution.run_folder.parent.name
        if name == first and attempt == 3:
            finish(execution)
        if name == second:
            write_json(execution.books / "ended.json", {"code": 1})
            (execution.books / "log.txt").write_text("\n== now\npapermill\nValueError: for good\n\n")

    place = Nowhere(leave)
    batch = run_batch(planned, place, retries=2)
    assert place.started == [first] * 3 + [second] + [third] * 3
    assert [run.name for run in batch.done] == [f"{first}/val1"]
    assert [*batch.failed.values()] == ["ValueError: for good", "its process was killed"]
    log = (planned[0].books.parent.parent / "batch.log").read_text()
    assert f"again {first}/val1: its process was killed (try 2 of 3)" in log
    told = capfd.readouterr()
    assert told.out == "" and len(told.err.splitlines()) == len(log.splitlines()) == 2 + 7 + 4 + 3
    text = summary(batch, ["nblib", "batch", "params/my runs"])
    assert text.startswith("1 done, 2 failed, 0 left\n")
    assert f"{second}/val1 failed in ValueError: for good\n    notebook {planned[1].notebook}\n" in text
    assert text.endswith("The same command goes on with what is missing:\n    nblib batch 'params/my runs'")


def test_started_again_a_batch_does_only_what_is_missing(planned):
    finish(Execution((), Path(), planned[1].run.folder, planned[1].books))
    place = Nowhere(finish)
    assert len(run_batch(planned, place).done) == 3
    assert place.started == [planned[0].experiment.experiment_name, planned[2].experiment.experiment_name]
    planned[0].notebook.write_text('{"metadata": {"papermill": {"end_time"')  # its writer was killed
    place = Nowhere(finish)
    assert len(run_batch(planned, place).done) == 3 and len(place.started) == 1


def test_two_batches_do_not_work_in_one_folder_at_a_time(planned):
    log = planned[0].books.parent.parent / "batch.log"
    log.parent.mkdir(parents=True)
    with log.open("a") as file:
        assert take_lock(file)
        with pytest.raises(
            BlockingIOError, match=r"another batch is at work in .*; wait for it, or choose other `runs`"
        ):
            run_batch(planned, Nowhere(finish))


def test_runs_that_wait_in_slurm_are_not_begun_here(planned):
    write_json(planned[1].books / "job.json", Job("slurm", "12_3").to_dict())
    place = Nowhere(finish)
    with pytest.raises(ValueError, match="was last given to slurm, as job 12_3; go on with --executor slurm"):
        run_batch(planned, place)
    assert place.started == []


# ---- the command line


def test_a_dry_run_prints_a_papermill_command_for_each_run(sample, tmp_path):
    words = ["params/table3", "--halves", "val1", "val2", "-f", "params/sample.yaml", "-p", "data", sample,
             "-p", "learning_rate", "1.0e-5,3.0e-5", "-p", "runs", tmp_path, "--dry-run"]  # fmt: skip
    said = tmp_path.parent / f"{tmp_path.name}.said"
    assert nblib_batch(words, said).wait() == 0 and list(tmp_path.iterdir()) == []
    commands = said.read_text().splitlines()
    assert len(commands) == 40 and all(line.startswith("papermill notebooks/0") for line in commands)
    assert (
        f"papermill notebooks/03_baseline_vgg16.ipynb {tmp_path}/08_vgg16_3fc_learning_rate_3e-05/val2/notebook.ipynb "
        f"-f params/table3/08_vgg16_3fc.yaml -f params/sample.yaml -p data {sample} -p learning_rate 3.0e-5 "
        f"-p runs {tmp_path} -p experiment_name 08_vgg16_3fc_learning_rate_3e-05 -p validation_half val2"
    ) in commands


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--halves", "val3"], "parameter 'validation_half': Input should be 'val1' or 'val2'; received 'val3'"),
        (["--executor", "slurm", "--jobs", "2"], "--jobs can't go with --executor slurm"),
        (["--gpus", "1", "--time", "60"], "--gpus and --time can't go with --executor local"),
    ],
)
def test_words_that_make_no_sense_are_one_sentence(words, told, tmp_path):
    assert nblib_batch(["params/table3", *words], tmp_path / "said").wait() == 1
    assert told in (tmp_path / "said").read_text() and "Traceback" not in (tmp_path / "said").read_text()
