"""Seconds from starting a kernel to the first figure of notebook 01, on labels of the paper's size.

Run: PYTHONPATH=tests python tests/benchmarks/bench_first_figure.py [rounds]
Prints the seconds of each cell in each round; the rest, up to the total, is the start of the kernel.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pandas as pd
from nbclient import NotebookClient
from paper_labels import write_labels

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_data_analysis.ipynb"


def up_to_the_first_figure(data):
    """The code cells of notebook 01 up to its first figure, with `data` as its folder."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    first = next(number for number, cell in enumerate(code) if "figures.draw_" in cell.source)
    given = nbformat.v4.new_code_cell(f"# Parameters\ndata = {json.dumps(str(data))}")
    notebook.cells = [code[0], given, *code[1 : first + 1]]
    return notebook


def measure(data):
    """Seconds of each cell and in all."""
    notebook, began, taken = up_to_the_first_figure(data), time.perf_counter(), {}
    worked = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            before = time.perf_counter()
            client.execute_cell(cell, number)
            taken[cell.source.splitlines()[0][:40]] = time.perf_counter() - before
        total = time.perf_counter() - began
    assert any("image/png" in output.get("data", {}) for output in notebook.cells[-1].outputs)
    worked = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - worked
    return {**taken, "kernel and the rest": total - sum(taken.values()), "total": total, "CPU of the kernel": worked}


def main():
    with TemporaryDirectory() as data:
        write_labels(data, by_category=False)
        rounds = [measure(data) for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3)]
    print(f"seconds, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(pd.DataFrame(rounds).T.assign(median=lambda table: table.median(axis=1)).round(2).to_string())


if __name__ == "__main__":
    main()
