"""The page that shows what a run finds in an upload, without a browser."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from finished import finished_run
from PIL import Image

from nblib.prediction import Predictor
from nblib.prediction.upload_page import EXPLAINED, UploadPage


@pytest.fixture(scope="module")
def page(sample, tmp_path_factory):
    run = finished_run(sample, tmp_path_factory.mktemp("page") / "runs")
    return UploadPage(Predictor(run.folder))


@pytest.fixture
def image(sample):
    return next((sample / "test").iterdir())


def concepts(page):
    return re.findall(r"<td>(C\d{7})</td>", page.answer.value)


def test_an_upload_shows_the_concepts_above_the_threshold_the_most_probable_first(page, image):
    page.threshold.value = 0.5
    file = {"name": "<b>.jpg", "content": memoryview(image.read_bytes()), "type": "image/jpeg", "size": 1}
    page.upload.value = [{**file, "last_modified": datetime(2026, 1, 1, tzinfo=UTC)}]
    (expected,) = Predictor(page.run.folder)(image).table["concepts"]
    assert concepts(page) == list(expected) and page.message.value == ""
    assert page.answer.value.count("Grad-CAM of ") == min(len(expected), EXPLAINED)
    page.threshold.value = 0.01
    assert len(concepts(page)) == page.predictor.cap > len(expected)
    page.threshold.value = 0.99
    assert concepts(page) == [] and "0 concepts above 0.99" in page.answer.value and "Grad-CAM" not in page.answer.value


def test_a_bad_file_is_one_escaped_line_and_the_last_result_is_gone(page, image):
    page.show(image.name, image.read_bytes())
    assert page.answer.value
    page.show("<b>.jpg", b"no image")
    assert page.answer.value == "" and page.message.value.count("<p") == 1
    assert "&lt;b&gt;.jpg: can&#x27;t be read as an image (its content is none of" in page.message.value


def test_dicom_is_shown_without_the_patient(page):
    pydicom = pytest.importorskip("pydicom", reason="pydicom, of the extra dicom, is not installed")
    content = (Path(pydicom.__file__).parent / "data" / "test_files" / "MR_small.dcm").read_bytes()
    page.threshold.value = 0.5
    page.show("scan.dcm", content)
    assert len(page.found) == 1 and "the uploaded image" in page.answer.value
    assert b"CompressedSamples" in content and "CompressedSamples" not in page.answer.value + page.message.value


def test_names_are_escaped_and_the_picture_keeps_its_proportions(page, monkeypatch):
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 80, 3), np.uint8)).save(stream, "PNG")
    monkeypatch.setitem(page.predictor.names, page.predictor.vocabulary.concepts[0], "<script>")
    page.threshold.value = 0.01
    page.show("wide.png", stream.getvalue())
    assert "<script>" not in page.answer.value and "&lt;script&gt;" in page.answer.value
    assert page._picture().startswith('<img alt="the uploaded image" src="data:image/png;base64,')


def test_nothing_of_an_upload_is_on_disk(page, image):
    page.show(image.name, image.read_bytes())
    top = page.run.folder.parents[2]
    assert not [path for path in top.rglob("*") if image.stem in path.name]
    assert not (top / "runs" / "features").exists()
