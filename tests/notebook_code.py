"""Runs the code of notebooks without a kernel."""

import contextlib
import io
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.core.interactiveshell import InteractiveShell
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

TOP = Path(__file__).parent.parent


def run_here(notebook, **parameters):
    """Runs a notebook's code with these parameters in this process, where TensorFlow is loaded already; its print-outs.

    Papermill injects the parameters; a failing cell raises its error.
    """
    parameters = {name: str(value) if isinstance(value, Path) else value for name, value in parameters.items()}
    with_parameters = parameterize_notebook(
        load_notebook_node(str(TOP / "notebooks" / f"{notebook}.ipynb")), parameters
    )
    shell = InteractiveShell()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for cell in with_parameters.cells:
            if cell.cell_type == "code":
                shell.run_cell(cell.source, store_history=True).raise_error()
    plt.close("all")
    return printed.getvalue()
