"""Notebook 01 in a real JupyterLab, driven by a real browser: a control is moved, and figure and table change."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

TOP = Path(__file__).parent.parent
CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--window-size=1500,1400"]  # fmt: skip
SECONDS = 180

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of the driver, closed when it quits
]


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def lab(sample, tmp_path):
    """Address of a JupyterLab on loopback, without a token, over a copy of notebook 01 that reads the drawn sample."""
    notebook = json.loads((TOP / "notebooks" / "01_data_analysis.ipynb").read_text())
    parameters = next(cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", []))
    parameters["source"] = "".join(parameters["source"]).replace('"data/sample"', repr(str(sample)))
    (tmp_path / "01_data_analysis.ipynb").write_text(json.dumps(notebook))
    port = free_port()
    tracker = tmp_path / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text(
        '{"windowingMode": "none"}'
    )  # cells out of sight stay in the page, so that the driver finds them
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"), "IPYTHONDIR": str(tmp_path / "ipython")}
    environment = {**os.environ, **own, "PYTHONPATH": str(TOP)}
    environment.pop("PYTHONWARNINGS", None)
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--notebook-dir={tmp_path}"]
    command += ["--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.news_url=None"]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        ends = time.monotonic() + SECONDS
        while not answers(f"{address}/api"):
            assert server.poll() is None and time.monotonic() < ends, (tmp_path / "server.log").read_text()[-2000:]
            time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture
def browser(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'browser'}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def wait(browser, condition, what):
    """What the condition returns, once it is true; a screenshot is left where it never is."""
    try:
        return WebDriverWait(browser, SECONDS, poll_frequency=0.5).until(condition, f"waited in vain for {what}")
    except TimeoutException:
        browser.save_screenshot(str(Path(tempfile.gettempdir()) / "nblib_jupyterlab_failed.png"))
        raise


def run_all_cells(browser):
    """Runs all cells from the menu, as a hand does."""
    for what in ("//li[contains(@class, 'lm-MenuBar-item')][.='Run']", "//li[@data-command='runmenu:run-all']"):
        wait(browser, lambda page, what=what: page.find_element(By.XPATH, what), what).click()


def slider_or_error(browser):
    """The slider of the explorer, once it is there; fails with the first error a cell shows."""
    errors = browser.find_elements(By.CSS_SELECTOR, "[data-mime-type='application/vnd.jupyter.error']")
    assert not errors, errors[0].text
    return browser.find_element(By.CSS_SELECTOR, ".noUi-handle")


def bars(browser):
    return len(browser.find_elements(By.CSS_SELECTOR, ".jp-OutputArea svg rect[fill='#0173b2']"))


def rows(browser):
    """Rows of the explorer's table: the one that stands right behind the bars."""
    return len(browser.find_elements(By.CSS_SELECTOR, ".explorer-table tbody tr"))


def test_moving_a_control_changes_figure_and_table(lab, browser, tmp_path):
    browser.get(f"{lab}/lab/tree/01_data_analysis.ipynb")
    wait(browser, lambda page: page.find_element(By.CSS_SELECTOR, ".jp-Notebook .jp-Cell"), "the notebook")
    idle = "//*[contains(text(), '| Idle')]"  # in the status bar; before that, JupyterLab runs cells without a word
    wait(browser, lambda page: page.find_element(By.XPATH, idle), "the kernel")
    run_all_cells(browser)
    handle = wait(browser, slider_or_error, "the slider")
    wait(browser, lambda page: bars(page) == rows(page) == 20, "20 bars and rows")

    pictures = "//img[starts-with(@src, 'data:image/jpeg')]"  # of the explorer alone: figures are PNG
    wait(browser, lambda page: len(page.find_elements(By.XPATH, pictures)) == 4, "the pictures of the picked concept")

    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", handle)
    handle.send_keys(Keys.ARROW_RIGHT)
    wait(browser, lambda page: bars(page) == rows(page) == 25, "25 bars and rows")
    browser.save_screenshot(str(tmp_path / "explorer.png"))
