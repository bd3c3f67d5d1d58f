"""The script of an export, where neither nblib nor Keras can be imported."""

import subprocess
import sys

import numpy as np
import pytest
from finished import finished_run
from PIL import Image

from nblib.evaluation import rule_as_json, rule_file
from nblib.evaluation.calibration import Isotonic
from nblib.evaluation.decision_rules import ExpectedF1
from nblib.prediction import Predictor, export_run
from nblib.system import write_json

STEPS = Isotonic(np.array([-3.0, 0.0, 3.0]), np.array([0.05, 0.3, 0.9]))
ALONE = """
import runpy, sys
sys.modules |= dict.fromkeys({forbidden!r})  # to import one of them is an error
sys.argv = {arguments!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory):
    return finished_run(sample, tmp_path_factory.mktemp("standalone"))


@pytest.fixture
def images(sample, tmp_path):
    """Images as files are: JPEG, 16 bits, CMYK, a palette with transparency, grey."""
    paths = [*sorted((sample / "test").iterdir())[:2]]
    for name, image in {
        "deep.png": Image.fromarray(np.arange(70 * 90, dtype=np.uint16).reshape(70, 90) * 10),
        "print.jpg": Image.new("CMYK", (40, 30), (10, 200, 30, 40)),
        "palette.png": Image.open(paths[0]).convert("P"),
        "grey.png": Image.linear_gradient("L"),
    }.items():
        image.save(tmp_path / name, **({"transparency": 0} if image.mode == "P" else {}))
        paths.append(tmp_path / name)
    return paths


def printed(folder, images, forbidden):
    """What predict.py prints: rows of fields."""
    program = ALONE.format(forbidden=forbidden, arguments=[str(folder / "predict.py"), *map(str, images)])
    command = [sys.executable, "-I", "-c", program]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout
    return [line.split("\t") for line in output.splitlines()]


FORMS = {
    "onnx": ("tensorflow", "keras", "nblib"),
    "litert": ("tensorflow", "keras", "nblib"),
    "saved_model": ("keras", "nblib"),
}
PACKAGES = {"onnx": ("tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",), "saved_model": ()}


@pytest.mark.parametrize("form", FORMS)
def test_the_script_finds_what_nblib_predicts(form, run, images, tmp_path):
    for package in PACKAGES[form]:
        pytest.importorskip(package)
    export_run(run.folder, tmp_path / "to", form)
    predictions = Predictor(run.folder)(images)
    expected = [
        [str(path), concept, f"{probability:.3f}", name]
        for path, row in zip(images, predictions.table.itertuples(), strict=True)
        for concept, name, probability in zip(row.concepts, row.names, row.probabilities, strict=True)
    ]
    found = printed(tmp_path / "to", images, FORMS[form])
    assert len(found) == len(expected) > len(images)
    by_image = {tuple(row[:2]): row for row in found}  # those that are equal to three digits may be in another order
    for path, concept, probability, name in expected:
        row = by_image[path, concept]
        assert float(row[2]) == pytest.approx(float(probability), abs=0.0011) and row[3] == name


def test_the_script_adds_calibrated_probabilities(run, images, tmp_path):
    for package in PACKAGES["onnx"]:
        pytest.importorskip(package)
    rule = ExpectedF1(STEPS)
    write_json(rule_file(run.folder, "expected_f1"), rule_as_json(rule))
    try:
        export_run(run.folder, tmp_path / "to")
    finally:
        rule_file(run.folder, "expected_f1").unlink()
    rows = printed(tmp_path / "to", images[:1], FORMS["onnx"])
    assert rows
    for _, _, probability, calibrated, _ in rows:
        assert float(calibrated) == pytest.approx(STEPS.apply(np.array([[float(probability)]]))[0, 0], abs=0.002)
