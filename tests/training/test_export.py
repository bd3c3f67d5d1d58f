"""A run's model in forms that need no Keras."""

import numpy as np
import pytest
from finished import finished_run
from PIL import Image

from nblib.data import decode_image
from nblib.training import export_model
from nblib.training.export import FORMS, READERS, ResizeNearest, exportable
from nblib.training.trainer import load_model, predict_batch


@pytest.fixture
def images(sample):
    """Three images of the sample, of their own sizes: path and (1, height, width, 3) uint8 RGB."""
    paths = sorted((sample / "test").iterdir())[:3]
    return {path: np.asarray(Image.open(path).convert("RGB"))[None] for path in paths}


@pytest.mark.parametrize("size", [32, 100, 224, 227, 450])
def test_the_pixels_that_are_taken_are_pillows(size):
    layer = ResizeNearest(size)
    for length in [*range(1, 700), 1024, 2048, 3000]:
        column = Image.fromarray(np.arange(length, dtype=np.int32)[:, None])
        expected = np.asarray(column.resize((1, size), Image.Resampling.NEAREST))[:, 0]
        np.testing.assert_array_equal(layer.places(length), expected)


def test_integers_take_other_pixels_only_where_the_middle_of_a_new_pixel_is_on_a_border():
    exact, whole = ResizeNearest(224).places(320).numpy(), ResizeNearest(224, exact=False).places(320).numpy()
    differing = np.flatnonzero(exact != whole)
    assert len(differing) == 20  # of 224
    assert all((2 * place + 1) * 320 % 448 == 0 for place in differing)
    np.testing.assert_array_equal(exact[differing] + 1, whole[differing])


# Others are compared in tests/benchmarks/bench_export.py: TensorFlow takes a minute to convert a large graph.
@pytest.mark.parametrize("backbone", ["VGG16", "small_plain", "small_residual", "small_dense"])
def test_onnx_equals_keras(backbone, sample, images, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    run = finished_run(sample, tmp_path / "runs", backbone=backbone, image_size=32)
    assert export_model(run, tmp_path, "onnx") < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape[-1]) == ("images", "tensor(uint8)", 3)
    model, predicted = load_model(run), []
    for path, pixels in images.items():
        predicted += [session.run(None, {"images": pixels})[0][0]]
        np.testing.assert_allclose(
            predicted[-1], predict_batch(model, decode_image(path, 32)[None])[0], rtol=0, atol=1e-4
        )
    assert np.ptp(predicted, axis=0).max() > 1e-3  # else anything would be equal


@pytest.mark.parametrize("form", ["saved_model", "litert"])
def test_other_forms_equal_keras(form, sample, images, tmp_path):
    run = finished_run(sample, tmp_path / "runs")
    assert export_model(run, tmp_path, form) < 1e-5
    predict, model = READERS[form](tmp_path / FORMS[form]), exportable(run, exact=form != "litert")
    for pixels in images.values():
        np.testing.assert_allclose(predict(pixels), predict_batch(model, pixels), rtol=0, atol=1e-5)


def test_another_form_replaces_the_model(sample, tmp_path):
    run = finished_run(sample, tmp_path / "runs")
    for form in ("litert", "saved_model", "litert"):
        export_model(run, tmp_path / "to", form)
        assert [path.name for path in (tmp_path / "to").iterdir()] == [FORMS[form]]


def test_an_unknown_form_and_a_model_that_predicts_something_else_are_refused(sample, tmp_path, monkeypatch):
    run = finished_run(sample, tmp_path / "runs")
    with pytest.raises(ValueError, match="format must be one of onnx, saved_model, litert; received 'onx'"):
        export_model(run, tmp_path / "to", "onx")
    monkeypatch.setitem(READERS, "litert", lambda path: lambda images: np.float32(2))
    with pytest.raises(ValueError, match=r"the litert model of .* predicts .* away from Keras; it is not written"):
        export_model(run, tmp_path / "to", "litert")
    assert list((tmp_path / "to").iterdir()) == []


def test_a_run_that_resizes_otherwise_than_by_the_nearest_pixel_is_not_exported(sample, tmp_path):
    with pytest.raises(ValueError, match="resizes images by bilinear; what is exported can do it by the nearest pixel"):
        export_model(finished_run(sample, tmp_path, resize="bilinear"), tmp_path / "out", "saved_model")
    assert not (tmp_path / "out").exists()
