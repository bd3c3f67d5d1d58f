"""What tests of batches share: parameters of small runs, the command in a process of its own, waiting."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat

from nblib.batch.worker import Execution

TOP = Path(__file__).parents[2]
TABLE_3 = [TOP / "params" / "table3"]
SAMPLE = [TOP / "params" / "sample.yaml"]
TINY = {"limit_images": "16", "epochs": "2", "sigmoids": "None", "fc_units": "16"}


def nblib_batch(words, output, cwd=TOP, program=("-m", "nblib")):
    """`nblib batch` as a process that leads a group of its own, as without GPUs; its output goes to a file."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(TOP)}
    command = [sys.executable, *program, "batch", *map(str, words)]
    with output.open("w") as file:
        return subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


def as_words(parameters):
    """Parameters as -p and their values."""
    return [word for name, value in parameters.items() for word in ("-p", name, str(value))]


def wait_for(condition, seconds=120):
    """Waits until the condition holds; fails when it still does not after so many seconds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition does not hold within the time"
        time.sleep(0.1)


def execution(folder, source, *options):
    """papermill executing a new notebook with these cells."""
    folder.mkdir(parents=True)
    cells = [nbformat.v4.new_code_cell(cell) for cell in ([source] if isinstance(source, str) else source)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "plain.ipynb")
    command = ("papermill", str(folder / "plain.ipynb"), str(folder / "notebook.ipynb"), *options)
    return Execution(command, folder, folder)


def text_of(notebook):
    """What an executed notebook printed."""
    cells = nbformat.read(notebook, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))
