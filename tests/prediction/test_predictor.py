"""Predictions of new images by finished runs, without the data that they were trained on."""

import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from finished import finished_run
from PIL import Image

from nblib.data import read_dataset, validation_halves
from nblib.evaluation import RULES, Threshold
from nblib.evaluation.saved_rules import read_rule
from nblib.prediction import Predictor, write_predictions
from nblib.prediction.writing import FORMATS
from nblib.training import predict_test
from nblib.training.rules import save_rules_and_concept_scores


@pytest.fixture(scope="module")
def place(sample, tmp_path_factory):
    """Runs first and second, whose data folder is gone, and the test images in a folder of their own."""
    place = tmp_path_factory.mktemp("predicted")
    shutil.copytree(sample, place / "data")
    first = finished_run(place / "data", place / "runs")
    predict_test(first)
    dataset = read_dataset(place / "data")
    for name, images in validation_halves(dataset.images).items():
        values = np.random.default_rng(3).random((len(images), len(first.vocabulary)), np.float32)
        first.write_probabilities(name, images["image_id"], values)
    save_rules_and_concept_scores(first, dataset)
    finished_run(place / "data", place / "runs", "second", image_size=48, seed=2)
    shutil.copytree(place / "data" / "test", place / "images")
    shutil.rmtree(place / "data")
    return place


@pytest.fixture(scope="module")
def first(place):
    return Predictor(place / "runs" / "first" / "val1")


def test_predictions_are_those_of_notebook_06_to_the_bit(place, first):
    predictions = first(place / "images")
    image_ids, expected = first.runs[0].probabilities("test")
    order = {image_id: row for row, image_id in enumerate(predictions.image_ids)}
    assert sorted(order) == sorted(image_ids)
    np.testing.assert_array_equal(predictions.probabilities[[order[image_id] for image_id in image_ids]], expected)


def test_several_runs_are_averaged_each_at_its_own_image_size(place, first):
    both = Predictor(*sorted((place / "runs").glob("*/val1")))(place / "images").probabilities
    parts = [Predictor(place / "runs" / name / "val1")(place / "images").probabilities for name in ("first", "second")]
    np.testing.assert_array_equal(both, (parts[0] + parts[1]) / 2)
    assert not np.array_equal(parts[0], parts[1])


def test_a_run_that_resizes_otherwise_predicts_new_images_as_it_was_trained(sample, tmp_path):
    run = finished_run(sample, tmp_path, resize="letterbox")
    predict_test(run)
    image_ids, expected = run.probabilities("test")
    predictions = Predictor(run.folder)(sample / "test")
    order = {image_id: row for row, image_id in enumerate(predictions.image_ids)}
    np.testing.assert_array_equal(predictions.probabilities[[order[image_id] for image_id in image_ids]], expected)


@pytest.mark.parametrize("name", sorted(set(RULES) - {"threshold"}))
def test_a_rule_that_was_fitted_on_the_run_selects_as_it_does_in_notebook_06(place, first, name):
    folder = place / "runs" / "first" / "val1"
    predictions = Predictor(folder, rule=name)(place / "images")
    expected = read_rule(folder / "rules" / f"{name}.json").select(predictions.probabilities)
    assert predictions.selected.nnz and (predictions.selected != expected).nnz == 0


def test_a_run_without_the_rule_or_several_runs_say_why_it_can_not_be_used(place):
    folders = [place / "runs" / name / "val1" for name in ("second", "first")]
    with pytest.raises(FileNotFoundError, match=r"rules/top_k\.json: for a run of an older version"):
        Predictor(folders[0], rule="top_k")
    with pytest.raises(
        ValueError, match="'top_k' was fitted on the probabilities of one run, not on the mean of several"
    ):
        Predictor(*folders, rule="top_k")


def test_the_table_has_the_selected_concepts_the_most_probable_first_with_their_names(place):
    predictor = Predictor(place / "runs" / "first" / "val1", rule=Threshold(0.5), cap=3)
    predictions = predictor(place / "images")
    row = predictions.table.iloc[0]
    best = np.argsort(-predictions.probabilities[0])[:3]
    best = best[predictions.probabilities[0][best] > 0.5]
    assert len(best), "the random network selects nothing; choose another seed"
    assert row["concepts"] == tuple(predictor.vocabulary.concepts[sigmoid] for sigmoid in best)
    assert row["names"] == tuple(predictor.names[concept] for concept in row["concepts"])
    assert row["probabilities"] == tuple(predictions.probabilities[0][best].tolist())


def picture(*shape):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def saved(image, form, **options):
    stream = BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture(30, 40), "JPEG", exif=exif)


def moving():
    return saved(picture(9, 9), "PNG", save_all=True, append_images=[picture(9, 9, 3)])


def animated():
    return saved(picture(9, 9), "GIF", save_all=True, append_images=[picture(9, 9, 3)])


def without_pixels(most=None):
    """The bytes of a DICOM report; `most` truncates an MR image instead."""
    pydicom = pytest.importorskip("pydicom", reason="pydicom, of the extra dicom, is not installed")
    shipped = Path(pydicom.__file__).parent / "data" / "test_files"
    return (shipped / ("MR_small.dcm" if most else "reportsi.dcm")).read_bytes()[:most]


def without_header():
    return saved(picture(30, 40), "PNG")[:20]


def deep():
    return saved(Image.fromarray(np.full((30, 40), 40_000, np.uint16)), "PNG")


NO_IMAGE = "can't be read as an image (its content is none of JPEG,"
# Name of a file, its content, what is said of it, and whether it is predicted all the same.
ODD = [
    ("empty.jpg", lambda: b"", NO_IMAGE, False),
    ("short.jpg", lambda: saved(picture(300, 400), "JPEG")[:3000], "(image file is truncated", False),
    ("bomb.png", lambda: saved(Image.new("1", (20_000, 20_000)), "PNG"), "decompression bomb DOS attack", False),
    ("text.jpg", lambda: b"no image", NO_IMAGE, False),
    ("cmyk.jpg", lambda: saved(Image.new("CMYK", (40, 30)), "JPEG"), "CMYK, made for print; converted to RGB", True),
    ("deep.png", deep, "16 bits per pixel", True),
    ("moving.png", moving, "2 frames", True),
    ("moving.gif", animated, "2 frames", True),
    ("header.png", without_header, "can't be read as an image (Truncated File Read)", False),
    ("report.dcm", without_pixels, "a DICOM file without pixels", False),
    ("short.dcm", lambda: without_pixels(5000), "can't be read as an image (", False),
    ("page.html.png", lambda: b"<!DOCTYPE html><title>404</title>", NO_IMAGE, False),
    ("rotated.jpg", rotated, "EXIF orientation 6 is not applied", True),
    ("png.jpg", lambda: saved(picture(30, 40), "PNG"), "a PNG file by its content, whatever its name says", True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "line", "predicted"), ODD, ids=[row[0] for row in ODD])
def test_bad_and_odd_images_have_one_line_each_and_the_others_are_predicted(
    place, first, tmp_path, name, content, line, predicted
):
    good = sorted((place / "images").iterdir())[:11]  # more than a batch
    for path in good:
        shutil.copy(path, tmp_path)
    alone = first(tmp_path).probabilities
    (tmp_path / name).write_bytes(content())
    predictions = first(tmp_path)
    (problem,) = predictions.problems
    assert line in str(problem) and "\n" not in str(problem) and str(problem).startswith(str(tmp_path / name))
    assert problem.serious is not predicted and problem.image_id == (tmp_path / name).stem
    others = [row for row, image_id in enumerate(predictions.image_ids) if image_id != problem.image_id]
    assert len(predictions) - len(others) == predicted
    np.testing.assert_allclose(predictions.probabilities[others], alone, atol=1e-6)
    assert [predictions.sources[row].stem for row in others] == [predictions.image_ids[row] for row in others]


SECRET = b"CompressedSamples^MR1"  # the patient's name in this file


@pytest.mark.parametrize("form", FORMATS)
def test_dicom_is_predicted_and_nothing_of_the_patient_is_in_the_output(first, tmp_path, form):
    pydicom = pytest.importorskip("pydicom", reason="pydicom, of the extra dicom, is not installed")
    shipped = Path(pydicom.__file__).parent / "data" / "test_files"
    assert SECRET in (shipped / "MR_small.dcm").read_bytes()
    for name in ("MR_small.dcm", "examples_ybr_color.dcm", "reportsi.dcm"):
        shutil.copy(shipped / name, tmp_path)
    images, problems = write_predictions(tmp_path / "predicted", first.blocks(tmp_path), form)
    assert images == 2 and "MR_small" in (tmp_path / "predicted").read_bytes().decode(errors="replace")
    assert [(problem.image_id, problem.serious) for problem in problems] == [
        ("examples_ybr_color", False), ("reportsi", True)
    ]  # fmt: skip
    assert "a DICOM file without pixels" in str(problems[1])
    assert SECRET not in (tmp_path / "predicted").read_bytes() + repr(problems).encode()


def test_no_images_give_empty_predictions(first, tmp_path):
    predictions = first([])
    assert len(predictions) == 0 and predictions.probabilities.shape == (0, len(first.vocabulary))
    assert predictions.table.empty


def test_blocks_are_batches(place, first):
    sizes = [len(block) for block in first.blocks(place / "images")]
    assert sizes[:-1] == [8] * (len(sizes) - 1) and sum(sizes) == len(first.runs[0].probabilities("test")[0])


def test_runs_of_other_vocabularies_are_refused(place, sample, tmp_path):
    other = finished_run(sample, tmp_path, "third", sigmoids=500)
    with pytest.raises(ValueError, match="different vocabularies; their probabilities can't be averaged"):
        Predictor(place / "runs" / "first" / "val1", other.folder)


def test_concepts_keep_their_names_and_counts_in_the_run(place, first, sample):
    dataset = read_dataset(sample)
    concept = first.vocabulary.concepts[0]
    images = sum(concept in concepts for concepts in dataset.split("train")["concepts"])
    assert tuple(first.runs[0].concepts.loc[concept]) == (dataset.names[concept], images)
