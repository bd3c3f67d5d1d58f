import sys

import nbformat
import numpy as np
import pytest
from batch.batches import execution, text_of, wait_for
from benchmarks.mutations import mutated

from nblib.batch.outcome import failing_cell, is_complete, judge
from nblib.system import write_json


@pytest.fixture
def dying_kernel(tmp_path, monkeypatch):
    """Name of a kernel that ends as soon as it is started."""
    kernel = tmp_path / "jupyter/kernels/dying"
    kernel.mkdir(parents=True)
    write_json(kernel / "kernel.json", {"argv": [sys.executable, "-c", ""], "display_name": "d", "language": "python"})
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return "dying"


def test_failures_are_reported_with_their_cell_and_divided_into_transient_and_lasting(place, tmp_path, dying_kernel):
    executions = {
        "raises": execution(tmp_path / "raises", ["print('before')", "rate = 0\n1 / rate", "print('after')"]),
        "dies": execution(tmp_path / "dies", "import os; os.kill(os.getpid(), 9)"),
        "does not start": execution(tmp_path / "does not start", "1", "--kernel", dying_kernel),
        "wrong option": execution(tmp_path / "wrong option", "1", "--no-such-option"),
    }
    pairs = [list(executions.values())[:2], list(executions.values())[2:]]
    for pair in pairs:
        jobs = place.start(pair, [])
        wait_for(lambda jobs=jobs: not place.running(jobs))
    outcomes = {name: judge(tmp_path / name / "notebook.ipynb", tmp_path / name) for name in executions}
    assert {name for name, outcome in outcomes.items() if outcome.transient} == {"dies", "does not start"}
    assert outcomes["raises"].reason == "cell 2: ZeroDivisionError: division by zero\n    rate = 0\n    1 / rate"
    assert "kernel died" in outcomes["dies"].reason
    assert outcomes["does not start"].reason == "the kernel did not start: Kernel died before replying to kernel_info"
    assert "no-such-option" in outcomes["wrong option"].reason.lower()
    raised = tmp_path / "raises/notebook.ipynb"
    cells = nbformat.read(raised, as_version=4).cells
    assert [cell.source for cell in cells if cell.cell_type == "code"][-1] == "print('after')"
    assert text_of(raised) == "before\n" and not is_complete(raised)


def test_a_run_that_another_process_trains_is_tried_again(tmp_path):
    error = {
        "output_type": "error",
        "ename": "RuntimeError",
        "evalue": "runs/a/val1 is being trained by another process",
    }
    cell = {"cell_type": "code", "source": "run = train()", "execution_count": 3, "outputs": [error]}
    write_json(tmp_path / "notebook.ipynb", {"cells": [cell]})
    assert judge(tmp_path / "notebook.ipynb", tmp_path).transient


@pytest.mark.parametrize(
    "notebook",
    [None, [], "text", {"metadata": None}, {"metadata": {"papermill": []}},
     {"metadata": {"papermill": {"end_time": 1}}}, {"cells": None}, {"cells": [None, "text"]},
     {"cells": [{"outputs": None, "source": "1", "execution_count": 1}]},
     {"cells": [{"outputs": [None, {"output_type": "error"}], "source": "1", "execution_count": 1}]},
     {"cells": [{"outputs": [{"output_type": "error", "ename": "E", "evalue": "e"}], "source": None}]}],
)  # fmt: skip
def test_a_damaged_notebook_is_not_complete_and_has_no_failing_cell(tmp_path, notebook):
    write_json(tmp_path / "notebook.ipynb", notebook)
    write_json(tmp_path / "ended.json", notebook)
    assert not is_complete(tmp_path / "notebook.ipynb")
    assert judge(tmp_path / "notebook.ipynb", tmp_path) == ("its process was killed", True)


def test_whatever_a_notebook_holds_its_outcome_is_a_reason(tmp_path):
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no"}
    cell = {"cell_type": "code", "source": ["run = ", "train()"], "execution_count": 3, "outputs": [error]}
    path, rng = tmp_path / "notebook.ipynb", np.random.default_rng(15)
    write_json(path, {"cells": [cell], "metadata": {"papermill": {"end_time": "2026", "exception": True}}})
    assert failing_cell(path) == "cell 3: ValueError: no\n    run = train()" and not is_complete(path)
    content = path.read_bytes()
    for _ in range(200):
        path.write_bytes(mutated(content, rng))
        assert judge(path, tmp_path).reason and is_complete(path) in (True, False)
    path.write_text(100_000 * "[")
    assert judge(path, tmp_path).transient and not is_complete(path)
