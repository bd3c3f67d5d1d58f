"""Notebooks in a real JupyterLab, driven by a real browser: a control is moved, and figure and table change; a network
is trained, and its curves draw themselves."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

TOP = Path(__file__).parents[2]
CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--window-size=1500,1400"]  # fmt: skip
SECONDS = 180
EPOCHS = 6  # of the training

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


def copy_notebook(name, folder, **parameters):
    """Puts a copy into `folder` whose parameters cell has these values."""
    notebook = json.loads((TOP / "notebooks" / name).read_text())
    cell = next(cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", []))
    cell["source"] = "".join(cell["source"])
    for parameter, value in parameters.items():
        cell["source"], found = re.subn(rf"(?m)^{parameter} = .*$", f"{parameter} = {value!r}", cell["source"])
        assert found == 1, parameter
    (folder / name).write_text(json.dumps(notebook))


@pytest.fixture(scope="module")
def lab(sample, tmp_path_factory):
    """Address and folder of a JupyterLab on loopback without a token, with notebooks 01 and 03 for the drawn sample."""
    folder = tmp_path_factory.mktemp("lab")
    copy_notebook("01_data_analysis.ipynb", folder, data=str(sample))
    copy_notebook(
        "03_baseline_vgg16.ipynb", folder, data=str(sample), runs=str(folder / "runs"), small_relative=True,
        weights=None, image_size=32, fc_units=64, learning_rate=0.003, epochs=EPOCHS, early_stopping_patience=EPOCHS,
    )  # fmt: skip
    port = free_port()
    tracker = folder / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text('{"windowingMode": "none"}')  # cells out of sight stay in the page, where the driver finds them
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "IPYTHONDIR": str(folder / "ipython")}
    environment = {**os.environ, **own, "PYTHONPATH": str(TOP)}
    environment.pop("PYTHONWARNINGS", None)
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--notebook-dir={folder}"]
    command += ["--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.news_url=None"]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        ends = time.monotonic() + SECONDS
        while not answers(f"{address}/api"):
            assert server.poll() is None and time.monotonic() < ends, (folder / "server.log").read_text()[-2000:]
            time.sleep(0.5)
        yield address, folder
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
    driver.screenshot_of_failure = str(tmp_path / "failed.png")
    try:
        yield driver
    finally:
        driver.quit()


def wait(browser, condition, what, seconds=SECONDS):
    """What the condition returns, once it is true; a screenshot is left where it never is."""
    try:
        return WebDriverWait(browser, seconds, poll_frequency=0.2).until(condition, f"waited in vain for {what}")
    except TimeoutException:
        browser.save_screenshot(browser.screenshot_of_failure)
        raise


def open_notebook(browser, lab, notebook):
    """Opens a notebook and waits for its kernel; a kernel that does not answer is left for one of a fresh copy."""
    address, folder = lab
    status = "#jp-main-statusbar"  # before it says idle, JupyterLab silently runs no cell
    for attempt in range(3):
        name = f"{attempt}_{notebook}"
        shutil.copy(folder / notebook, folder / name)
        browser.get(f"{address}/lab/workspaces/{Path(name).stem}/tree/{name}")  # with this notebook alone
        wait(browser, lambda page: page.find_element(By.CSS_SELECTOR, ".jp-Notebook .jp-Cell"), "the notebook")
        try:
            return wait(
                browser, lambda page: "| Idle" in page.find_element(By.CSS_SELECTOR, status).text, "the kernel", 60
            )
        except TimeoutException:
            shown = browser.find_element(By.CSS_SELECTOR, status).text
    log = (folder / "server.log").read_text()[-3000:]
    pytest.fail(f"the kernel of {notebook} never became idle; status bar: {shown!r}; log of the server:\n{log}")


def open_and_run(browser, lab, notebook):
    """Opens a notebook and runs all cells from the menu, as a user does."""
    open_notebook(browser, lab, notebook)
    for what in ("//li[contains(@class, 'lm-MenuBar-item')][.='Run']", "//li[@data-command='runmenu:run-all']"):
        wait(browser, lambda page, what=what: page.find_element(By.XPATH, what), what).click()


def no_error(browser):
    """Fails with the first error a cell shows."""
    errors = browser.find_elements(By.CSS_SELECTOR, "[data-mime-type='application/vnd.jupyter.error']")
    assert not errors, errors[0].text


def slider(browser):
    """The slider of the explorer, once it is there."""
    no_error(browser)
    return browser.find_element(By.CSS_SELECTOR, ".noUi-handle")


def bars(browser):
    return len(browser.find_elements(By.CSS_SELECTOR, ".jp-OutputArea svg rect[fill='#0173b2']"))


def rows(browser):
    """Rows of the explorer's table: the one beside the bars."""
    return len(browser.find_elements(By.CSS_SELECTOR, ".explorer-table tbody tr"))


def cell_of_training(browser):
    cells = browser.find_elements(By.CSS_SELECTOR, ".jp-CodeCell")
    return next(cell for cell in cells if "show=LiveCurves()" in cell.text)


def curves(browser):
    """The picture in the cell that trains, as the page has it; None while or after there is one."""
    no_error(browser)
    pictures = cell_of_training(browser).find_elements(
        By.CSS_SELECTOR, ".jp-OutputArea-output img, .jp-OutputArea-output svg"
    )
    return (pictures[0].get_attribute("src") or pictures[0].get_attribute("innerHTML")) if pictures else None


def test_moving_a_control_changes_figure_and_table(lab, browser, tmp_path):
    open_and_run(browser, lab, "01_data_analysis.ipynb")
    handle = wait(browser, slider, "the slider")
    wait(browser, lambda page: bars(page) == rows(page) == 20, "20 bars and rows")

    pictures = "//img[starts-with(@src, 'data:image/jpeg')]"  # of the explorer alone: figures are PNG
    wait(browser, lambda page: len(page.find_elements(By.XPATH, pictures)) == 4, "the pictures of the picked concept")

    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", handle)
    handle.send_keys(Keys.ARROW_RIGHT)
    wait(browser, lambda page: bars(page) == rows(page) == 25, "25 bars and rows")
    browser.save_screenshot(str(tmp_path / "explorer.png"))


def test_curves_draw_themselves_while_training_and_give_way_to_the_figure_of_the_notebook(lab, browser, tmp_path):
    open_and_run(browser, lab, "03_baseline_vgg16.ipynb")
    seen = {wait(browser, curves, "the curves")}
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell_of_training(browser))
    browser.save_screenshot(str(tmp_path / "training.png"))
    another = wait(browser, lambda page: (drawn := curves(page)) not in seen and drawn, "the curves of another epoch")
    assert another.startswith(("data:image/png", "<"))
    scores = lab[1] / "runs" / "03_vgg16_flipped" / "val1" / "scores.json"
    wait(browser, lambda page: scores.is_file() and curves(page) is None, "the end of the curves")
    epochs = cell_of_training(browser).text.count("epoch ")
    assert epochs == EPOCHS
