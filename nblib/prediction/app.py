"""A web page to try a run: a notebook of one cell, served by Voila on this machine alone."""

import secrets
import socket
import sys
import time
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from nblib.experiments import open_finished
from nblib.system import write_json

HERE = "127.0.0.1"
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
        ValueError: Voila is not installed, or no port is free.
    """
    if find_spec("voila") is None:
        raise ValueError("the page is served by Voila, which is not installed: pip install 'nblib[app]'.")
    run = open_finished(run_folder)
    port, token = free_port(port), secrets.token_urlsafe(24)
    with TemporaryDirectory(prefix="nblib_app_") as folder:
        nbformat.write(page_notebook(run.folder), Path(folder) / "app.ipynb")
        write_json(Path(folder) / "voila.json", settings(port, token))
        with Popen([sys.executable, "-m", "voila", "app.ipynb"], cwd=folder) as server:
            try:
                if answers(port, server):
                    address = f"http://{HERE}:{port}/?token={token}"
                    print(address, flush=True)  # Voila would print it without the token
                    if browser:
                        webbrowser.open(address)
                return server.wait()
            except KeyboardInterrupt:
                server.terminate()
                return server.wait()


def free_port(first: int) -> int:
    """The first free port of this machine from `first` on."""
    for port in range(first, first + 100):
        with socket.socket() as taken:
            if taken.connect_ex((HERE, port)):
                return port
    raise ValueError(f"no free port from {first} to {first + 99}; name another one with --port.")


def answers(port: int, server: Popen, seconds: float = 60) -> bool:
    """Whether the server answers at this port within so many seconds."""
    give_up = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < give_up:
        with socket.socket() as asked:
            if not asked.connect_ex((HERE, port)):
                return True
        time.sleep(0.2)
    return False


def page_notebook(run_folder: Path) -> nbformat.NotebookNode:
    """The notebook that is the page of a run."""
    notebook = new_notebook(cells=[new_code_cell(PAGE.format(run=str(run_folder.resolve())))])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def settings(port: int, token: str) -> dict[str, dict[str, Any]]:
    """What Voila reads from voila.json: it serves this machine alone, and its pages load nothing from elsewhere."""
    tornado = {"websocket_max_message_size": LARGEST, "headers": {"Content-Security-Policy": POLICY}}
    server = {"ip": HERE, "port": port, "port_retries": 0, "token": token, "open_browser": False, "log_level": "WARN"}
    return {
        "Voila": {**server, "tornado_settings": tornado},
        "VoilaConfiguration": {"show_tracebacks": False},
        "MappingKernelManager": {"cull_interval": 60, "cull_idle_timeout": IDLE},
    }
