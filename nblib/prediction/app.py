"""A web page to try a run: a notebook of one cell, served by Voila on this machine alone."""

import sys
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from nblib.experiments import open_finished
from nblib.system import write_json

LARGEST = 256 * 2**20  # bytes of an upload
IDLE = 1200  # seconds after which a page without a browser gives its memory back

POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' ws://127.0.0.1:*"

PAGE = """from nblib.prediction import Predictor
from nblib.prediction.upload_page import UploadPage

UploadPage(Predictor({run!r})).box
"""


def serve_app(run_folder: str | Path, port: int = 8866, browser: bool = True) -> int:
    """Serves the page until Ctrl-C, and returns the exit code of the server.

    Args:
        run_folder: of a finished run; nothing else is needed.
        port: of 127.0.0.1; the next free one where it is taken.
        browser: whether a browser is opened.

    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: Voila is not installed.
    """
    if find_spec("voila") is None:
        raise ValueError("the page is served by Voila, which is not installed: pip install 'nblib[app]'.")
    run = open_finished(run_folder)
    with TemporaryDirectory(prefix="nblib_app_") as folder:
        notebook = Path(folder) / "app.ipynb"
        nbformat.write(page_notebook(run.folder), notebook)
        write_json(Path(folder) / "voila.json", settings(port, browser))
        with Popen([sys.executable, "-m", "voila", notebook.name], cwd=folder) as server:
            try:
                return server.wait()
            except KeyboardInterrupt:
                server.terminate()
                return server.wait()


def page_notebook(run_folder: Path) -> nbformat.NotebookNode:
    """The notebook that is the page of a run."""
    notebook = new_notebook(cells=[new_code_cell(PAGE.format(run=str(run_folder.resolve())))])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def settings(port: int, browser: bool) -> dict[str, dict[str, Any]]:
    """What Voila reads from voila.json: it serves this machine alone, and its pages load nothing from elsewhere."""
    headers = {"Content-Security-Policy": POLICY}
    tornado = {"websocket_max_message_size": LARGEST, "headers": headers}
    return {
        "Voila": {"ip": "127.0.0.1", "port": port, "open_browser": browser, "tornado_settings": tornado},
        "VoilaConfiguration": {"show_tracebacks": False},
        "MappingKernelManager": {"cull_interval": 60, "cull_idle_timeout": IDLE},
    }
