"""Reports in a real browser, opened from disk: they draw, sort, filter and compare without a network."""

import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from nblib.reports import write_concepts_page
from nblib.reports.render import render_reports

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--window-size=1400,1000"]  # fmt: skip
SECONDS = 120
AXE = "axe-core/axe.min.js"

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of the driver, closed when it quits
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(SECONDS)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def index(leave_run, tmp_path):
    """The index of three finished runs and one that failed."""
    leave_run("03_vgg16_flipped", "val1", f1=[0.1, 0.3, 0.2], scored=0.31)
    leave_run("03_vgg16_flipped", "val2", f1=[0.1, 0.2, 0.25], scored=0.26)
    leave_run("09_vgg16_f1_times_bce", "val1", f1=[0.2, 0.3, 0.4], scored=0.41, loss="f1_times_bce")
    leave_run("05_resnet50", "val1", scored=None, error="<script>alert(1)</script>")
    return render_reports(tmp_path / "runs", tmp_path / "reports").index


def open_index(browser, index, chosen=4):
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(index.absolute().as_uri())
    wait_for_chosen(browser, min(chosen, 3))


def wait_for_chosen(browser, number):
    status = f"{number} chosen"
    WebDriverWait(browser, SECONDS).until(lambda page: page.find_element(By.ID, "compared").text == status)


def names(browser):
    """Experiment and half of the rows, in the order shown."""
    rows = browser.find_elements(By.CSS_SELECTOR, "#runs tbody tr")
    return [
        f"{row.find_element(By.TAG_NAME, 'th').text} {row.find_elements(By.TAG_NAME, 'td')[1].text}" for row in rows
    ]


def wait_for_names(browser, expected):
    """Waits until the rows are these: the table sorts and filters after the event that asks for it."""
    shown = [None]
    try:
        wait = WebDriverWait(browser, SECONDS, ignored_exceptions=[StaleElementReferenceException])
        wait.until(lambda page: shown.append(names(page)) or shown[-1] == expected)
    except TimeoutException:
        assert shown[-1] == expected


def sort_by(browser, column):
    browser.find_element(By.XPATH, f"//table[@id='runs']//th[contains(., '{column}')]").click()


def curves(browser, measure):
    """The lines drawn for a measure."""
    return browser.find_elements(By.CSS_SELECTOR, f"#{measure}-curves .mark-line path")


def parameters(browser):
    """The table of parameters that differ, as text: a list of cells per row, the header first."""
    rows = browser.find_elements(By.CSS_SELECTOR, "#parameters tr")
    return [[cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")] for row in rows]


def test_the_index_sorts_filters_and_compares(browser, index):
    open_index(browser, index)
    best_first = ["09_vgg16_f1_times_bce val1", "03_vgg16_flipped val1", "03_vgg16_flipped val2", "05_resnet50 val1"]
    wait_for_names(browser, best_first)

    sort_by(browser, "F1, test half")
    wait_for_names(browser, best_first[::-1])
    sort_by(browser, "experiment")
    wait_for_names(browser, [best_first[row] for row in (1, 2, 3, 0)])

    search = browser.find_element(By.CSS_SELECTOR, ".dt-search input")
    search.send_keys("failed")
    wait_for_names(browser, ["05_resnet50 val1"])
    search.clear()
    search.send_keys("flipped val2")
    wait_for_names(browser, ["03_vgg16_flipped val2"])

    browser.find_element(By.CSS_SELECTOR, "#runs tbody input[type=checkbox]").click()  # no longer chosen
    wait_for_chosen(browser, 2)
    assert len(curves(browser, "f1")) == len(curves(browser, "loss")) == 2
    assert parameters(browser) == [
        ["run", "loss"], ["09_vgg16_f1_times_bce, val1", "f1_times_bce"], ["03_vgg16_flipped, val1", "bce"]
    ]  # fmt: skip

    search.clear()
    search.send_keys("flipped")
    for box in browser.find_elements(By.CSS_SELECTOR, "#runs tbody input[type=checkbox]"):
        box.click()
    wait_for_chosen(browser, 2)  # val1 was removed, val2 added
    assert parameters(browser)[0] == ["run", "loss", "validation_half"]


def test_pages_make_no_request_and_log_no_error(browser, index):
    open_index(browser, index)
    browser.find_element(By.LINK_TEXT, "05_resnet50").click()
    WebDriverWait(browser, SECONDS).until(lambda page: "This notebook failed." in page.page_source)
    assert "<script>alert(1)</script>" in browser.find_element(By.CSS_SELECTOR, ".failure pre").text
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = [
        event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
    ]
    opened = [address for address in requested if address.startswith("file:")]
    assert [Path(address).name for address in opened] == ["index.html", "05_resnet50--val1.html"]
    assert not [address for address in requested if not address.startswith(("file:", "data:"))]
    assert browser.get_log("browser") == []


def test_a_phone_shows_every_page_without_scrolling_sideways(browser, index):
    summary = new_output("display_data", {"text/html": f"<pre>{'│ conv (Conv2D)  │ (None, 64) ' * 9}</pre>"})
    notebook = new_notebook(cells=[new_code_cell("network.summary()", outputs=[summary])])
    nbformat.write(notebook, index.parent.with_name("runs") / "summary.ipynb")
    render_reports(index.parent.with_name("runs"), index.parent)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        open_index(browser, index)
        for page in (
            index,
            *(index.parent / "pages" / f"{name}.html" for name in ("03_vgg16_flipped--val1", "summary")),
        ):
            browser.get(page.absolute().as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        assert browser.find_element(By.CSS_SELECTOR, ".output pre").size["height"] < 30  # of one line: not broken
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture
def concepts(sample_dataset, tmp_path):
    write_concepts_page(tmp_path / "concepts.html", sample_dataset)
    return tmp_path / "concepts.html"


def open_concepts(browser, concepts):
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(concepts.absolute().as_uri())
    WebDriverWait(browser, SECONDS).until(lambda page: page.find_elements(By.CSS_SELECTOR, "button.concept"))


def test_concepts_are_filtered_counted_and_shown_by_keyboard(browser, concepts, sample_dataset):
    open_concepts(browser, concepts)
    labelled = sample_dataset.split("train", "val")

    def first_row():
        return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "#concepts tbody tr:first-child td")]

    def expected(images):
        counts = images["concepts"].explode().value_counts()
        return counts, f"{counts.max():,}", f"{100 * counts.max() / len(images):.2f} %"

    counts, images, share = expected(labelled)
    assert browser.find_element(By.CSS_SELECTOR, ".dt-info").text == f"{len(counts):,} concepts"
    assert first_row()[2:] == [images, share] and counts[first_row()[1]] == counts.max()
    Select(browser.find_element(By.ID, "split")).select_by_visible_text("val")
    Select(browser.find_element(By.ID, "category")).select_by_visible_text("DRCT")
    some = labelled[(labelled["split"] == "val") & (labelled["category"] == "DRCT")]
    counts, images, share = expected(some)
    assert browser.find_element(By.CSS_SELECTOR, ".dt-info").text.startswith(f"{len(counts):,} concepts")
    assert first_row()[2:] == [images, share]
    name = first_row()[0]
    browser.find_element(By.CSS_SELECTOR, ".dt-search input").send_keys(name)
    browser.find_element(By.CSS_SELECTOR, "button.concept").send_keys(Keys.ENTER)
    assert browser.find_element(By.ID, "name").text.startswith(f"{name}, C")
    assert browser.switch_to.active_element.get_attribute("id") == "one"
    partner = browser.find_element(By.CSS_SELECTOR, "#partners button")
    other = partner.text
    partner.send_keys(Keys.ENTER)
    assert browser.find_element(By.ID, "name").text.startswith(other)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = [
        event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
    ]
    assert not [address for address in requested if not address.startswith(("file:", "data:"))]
    assert browser.get_log("browser") == []


def axe_source():
    """The source of axe-core, from the folder that NODE_MODULES names or npm's global one; or None."""
    places = [Path(os.environ.get("NODE_MODULES", "node_modules")), Path("/usr/local/lib/node_modules")]
    found = [place / AXE for place in places if (place / AXE).is_file()]
    return found[0].read_text(encoding="utf-8") if found else None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_accessibility_barrier(browser, index, concepts, scheme):
    source = axe_source()
    if source is None:
        pytest.skip("NODE_MODULES names no folder with axe-core: npm install --prefix DIR axe-core")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    for page in (index, index.parent / "pages" / "03_vgg16_flipped--val1.html", concepts):
        browser.get(page.absolute().as_uri())
        if page == index:
            wait_for_chosen(browser, 3)
        if page == concepts:
            open_concepts(browser, concepts)
            browser.find_element(By.CSS_SELECTOR, "button.concept").click()
        browser.execute_script("document.querySelectorAll('details').forEach(folded => folded.open = true)")
        browser.execute_script(source)
        found = browser.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
        assert len(found["passes"]) > 10
        barriers = [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]
                    if each["impact"] in ("serious", "critical")]  # fmt: skip
        assert barriers == []
