"""The page in a real Chromium: an upload, its result, a bad file, a large one, two pages at once."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from finished import finished_run
from PIL import Image

from nblib.prediction import app

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--window-size=1200,1300"]  # fmt: skip
SECONDS = 120
PORT = 8123

in_a_browser = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of the driver, closed when it quits
]


@pytest.fixture(scope="module")
def place(sample, tmp_path_factory):
    """A finished run whose data are gone, an image, a bad file and one of 20 MB; and the folder for temporary files."""
    place = tmp_path_factory.mktemp("app")
    shutil.copytree(sample, place / "data")
    finished_run(place / "data", place / "runs")
    shutil.copy(next((place / "data" / "test").iterdir()), place / "good.jpg")
    shutil.rmtree(place / "data")
    (place / "bad.jpg").write_text("no image")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (2650, 2650, 3), np.uint8)).save(place / "large.png")
    (place / "temporary").mkdir()
    return place


@pytest.fixture(scope="module")
def address(place):
    """Where `nblib app` serves the run."""
    pytest.importorskip("voila", reason="Voila, of the extra app, is not installed")
    environment = {**os.environ, "PYTHONPATH": str(Path(app.__file__).parents[2]), "TMPDIR": str(place / "temporary")}
    environment.pop("PYTHONWARNINGS", None)
    command = [sys.executable, "-m", "nblib", "app", "runs/first/val1", "--port", str(PORT), "--no-browser"]
    with (place / "log").open("w+") as log:
        server = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
        try:
            lines, give_up = [], time.monotonic() + SECONDS
            while not lines and time.monotonic() < give_up and server.poll() is None:
                time.sleep(0.2)
                lines = [line for line in (place / "log").read_text().splitlines() if line.startswith("http://")]
            assert lines, (place / "log").read_text()
            yield lines[0]
        finally:
            server.send_signal(2)
            server.wait(SECONDS)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def wait(browser, what):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, SECONDS).until(what)


def open_page(browser, address):
    """Opens the page, and puts the input behind its button, which a click would open a dialog of, into it."""
    browser.get(address)
    button = wait(browser, lambda page: page.find_element("css selector", ".widget-upload"))
    browser.execute_script("HTMLInputElement.prototype.click = function () { document.body.append(this) }")
    button.click()


def upload(browser, path):
    browser.find_element("css selector", "input[type=file]").send_keys(str(path))


def text_of(selector):
    return lambda page: [element.text for element in page.find_elements("css selector", selector)]


class TestInABrowser:
    pytestmark = in_a_browser

    def test_images_are_shown_bad_ones_named_and_large_ones_taken_and_nothing_is_left_on_disk(
        self, browser, address, place, tmp_path
    ):
        open_page(browser, address)
        assert address.startswith("http://127.0.0.1:")
        upload(browser, place / "good.jpg")
        wait(browser, text_of(".found td"))
        assert "concepts above 0.50" in browser.page_source and browser.find_elements("css selector", ".maps img")
        browser.save_screenshot(str(tmp_path / "result.png"))
        upload(browser, place / "bad.jpg")
        (line,) = wait(browser, text_of(".problem"))
        assert line.startswith("bad.jpg: can't be read as an image") and not text_of(".found td")(browser)
        assert (place / "large.png").stat().st_size > 20 * 2**20
        upload(browser, place / "large.png")
        wait(browser, lambda page: not text_of(".problem")(page) and "concepts above" in page.page_source)
        assert not [path for path in place.rglob("*") if path.stat().st_size > 2**20 and "large" not in path.name
                    and path.name != "best.weights.h5"]  # fmt: skip
        assert not [path for path in (place / "temporary").rglob("*") if path.suffix in {".jpg", ".png"}]

    def test_two_pages_are_independent(self, browser, address, place):
        open_page(browser, address)
        upload(browser, place / "bad.jpg")
        wait(browser, text_of(".problem"))
        first = browser.current_window_handle
        browser.switch_to.new_window("tab")
        open_page(browser, address)
        upload(browser, place / "good.jpg")
        wait(browser, text_of(".found td"))
        assert not text_of(".problem")(browser)
        browser.switch_to.window(first)
        assert text_of(".problem")(browser) and not text_of(".found td")(browser)

    def test_without_the_token_of_the_address_there_is_no_page(self, address):
        assert "?token=" in address
        with urllib.request.urlopen(address.partition("?")[0], timeout=SECONDS) as answer:
            assert "/login" in answer.url

    def test_the_page_may_load_nothing_from_elsewhere(self, address):
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            assert answer.headers["Content-Security-Policy"] == app.POLICY


def test_a_folder_without_a_finished_run_and_a_python_without_voila_are_said_in_a_sentence(
    place, tmp_path, monkeypatch
):
    with pytest.raises(FileNotFoundError, match="no finished run in"):
        app.serve_app(tmp_path)
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"not installed: pip install 'nblib\[app\]'"):
        app.serve_app(place / "runs" / "first" / "val1")


def test_the_next_free_port_is_taken():
    with socket.socket() as taken:
        taken.bind((app.HERE, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < app.free_port(port) <= port + 99
    assert app.free_port(port) == port


def test_the_page_is_a_notebook_that_names_the_run_absolutely_whatever_its_name_holds(tmp_path):
    folder = tmp_path / "it's \\ here"
    (cell,) = app.page_notebook(folder).cells
    assert repr(str(folder)) in cell.source
    compile(cell.source, "page", "exec")
