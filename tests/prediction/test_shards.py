"""Predictions of many shards: the same as image by image, whole or not at all, and each once."""

import json
import shutil
import subprocess
import sys
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from finished import finished_run
from PIL import Image
from pyarrow import parquet

from nblib.data import unlabelled_shards
from nblib.prediction import Predictor, predict_shards
from nblib.prediction.shards import _Claim


def png(grey):
    stream = BytesIO()
    Image.new("L", (8, 8), grey).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def predictor(sample, tmp_path_factory):
    """Of a run with random weights, which selects some concepts and not others."""
    predictor = Predictor(finished_run(sample, tmp_path_factory.mktemp("runs")).folder)
    for model in predictor._models:  # random weights say 0.5 of everything
        *weights, bias = model.get_weights()
        model.set_weights([*weights, bias + np.linspace(-4, 4, len(bias), dtype=bias.dtype)])
    return predictor


@pytest.fixture
def images(tmp_path):
    """Two parquet shards of 20 images, an archive of 3, and 2 single files, all different."""
    folder = tmp_path / "images"
    (folder / "deeper").mkdir(parents=True)
    for shard in (0, 1):
        greys = range(20 * shard, 20 * shard + 20)
        rows = {"image": [{"bytes": png(grey)} for grey in greys], "image_id": [f"p{grey}" for grey in greys]}
        parquet.write_table(pa.table(rows), folder / f"part_{shard}.parquet", row_group_size=8)
    with ZipFile(folder / "deeper" / "pack.zip", "w") as archive:
        for grey in (100, 101, 102):
            archive.writestr(f"z{grey}.png", png(grey))
    for grey in (200, 201):
        (folder / f"s{grey}.png").write_bytes(png(grey))
    return folder


def predicted(to):
    return {path.name: pd.read_parquet(path) for path in sorted(to.glob("*.parquet"))}


def test_each_shard_has_a_file_with_the_predictions_of_its_images(predictor, images, tmp_path):
    made = predict_shards(predictor, [images], tmp_path / "out", floor=0.2, longest=5)
    tables = predicted(tmp_path / "out")
    assert {name: len(table) for name, table in tables.items()} == {
        "deeper__pack.zip.parquet": 3, "images_00000.parquet": 2, "part_0.parquet": 20, "part_1.parquet": 20,
    }  # fmt: skip
    assert (made.predicted, made.images, made.unreadable, made.damaged) == (4, 45, 0, [])
    expected = predictor(images)
    rows = pd.read_parquet(tmp_path / "out").set_index("image_id")
    assert (
        len(rows) == sum(map(len, tables.values()))
        and rows.index.is_unique
        and set(rows.index) == set(expected.image_ids)
    )
    for image_id, concepts, probabilities in zip(
        expected.image_ids, expected.table["concepts"], expected.probabilities, strict=True
    ):
        row = rows.loc[image_id]
        assert sorted(row["concepts"]) == sorted(concepts) and pd.isna(row["problem"])
        highest = np.sort(probabilities)[::-1][:5]
        assert row["probabilities"] == pytest.approx(highest, abs=1e-5) and highest[-1] > 0.2
        by_name = dict(zip(expected.vocabulary.concepts, probabilities, strict=True))
        assert [by_name[concept] for concept in row["likely"]] == pytest.approx(row["probabilities"], abs=1e-5)


def test_started_again_only_what_is_missing_or_changed_is_predicted(predictor, images, tmp_path):
    predict_shards(predictor, [images], tmp_path / "out")
    dates = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
    (tmp_path / "out" / "part_0.parquet").rename(tmp_path / "out" / ".0123456789ab.part_0.parquet")  # as of one killed
    (tmp_path / "out" / "part_1.parquet").write_bytes(b"cut off")
    with ZipFile(images / "deeper" / "pack.zip", "a") as archive:
        archive.writestr("z103.png", png(103))
    made = predict_shards(predictor, [images], tmp_path / "out")
    assert (made.predicted, made.before, made.images) == (3, 1, 44)
    assert [path.name for path, date in dates.items() if path.stat().st_mtime_ns == date] == ["images_00000.parquet"]
    assert sum(map(len, predicted(tmp_path / "out").values())) == 46
    assert {path.name for path in (tmp_path / "out").iterdir()} - {path.name for path in dates} == {
        ".claims", "_settings.json"
    }  # fmt: skip
    assert not list((tmp_path / "out" / ".claims").iterdir())


def test_a_damaged_shard_is_named_and_the_others_are_complete(predictor, images, tmp_path):
    content = (images / "part_0.parquet").read_bytes()
    (images / "part_0.parquet").write_bytes(content[: len(content) // 2])
    (images / "bad.png").write_bytes(b"no image")
    made = predict_shards(predictor, [images], tmp_path / "out")
    assert [problem.where for problem in made.damaged] == [str(images / "part_0.parquet")]
    assert (made.predicted, made.images, made.unreadable) == (3, 25, 1)
    tables = predicted(tmp_path / "out")
    assert "part_0.parquet" not in tables, "so that it is tried again"
    singles = tables["images_00000.parquet"].set_index("image_id")
    assert singles.loc["bad", "concepts"] is None and "not predicted" in singles.loc["bad", "problem"]
    (images / "part_0.parquet").write_bytes(content)
    assert predict_shards(predictor, [images], tmp_path / "out").predicted == 1


def test_a_shard_that_another_process_predicts_is_left_to_it(predictor, images, tmp_path):
    (tmp_path / "out").mkdir()
    taken = next(shard for shard in unlabelled_shards([images])[0] if shard.name == "part_1")
    with _Claim.of(taken, tmp_path / "out"):
        made = predict_shards(predictor, [images], tmp_path / "out")
    assert (made.predicted, made.elsewhere) == (3, 1)
    assert predict_shards(predictor, [images], tmp_path / "out").predicted == 1


def test_the_places_may_be_a_list_of_shards_and_folders(predictor, images, tmp_path):
    (images / "list.txt").write_text("part_1.parquet\ndeeper\nnowhere.zip\n")
    made = predict_shards(predictor, [images / "list.txt"], tmp_path / "out")
    assert set(predicted(tmp_path / "out")) == {"part_1.parquet", "pack.zip.parquet"}
    assert [problem.what for problem in made.problems] == [
        f"no file 'nowhere.zip'; expected a path relative to {images}."
    ]


def test_predictions_of_other_settings_are_not_mixed(predictor, images, tmp_path):
    predict_shards(predictor, [images / "deeper"], tmp_path / "out")
    with pytest.raises(ValueError, match="out has predictions with other floor: predict to another folder"):
        predict_shards(predictor, [images], tmp_path / "out", floor=0.5)
    assert json.loads((tmp_path / "out" / "_settings.json").read_text())["floor"] == 0.05


def test_shards_of_one_name_are_refused(predictor, images, tmp_path):
    (tmp_path / "more").mkdir()
    shutil.copy(images / "part_0.parquet", tmp_path / "more")
    with pytest.raises(ValueError, match="would both be predicted as part_0"):
        predict_shards(predictor, [images, tmp_path / "more"], tmp_path / "out")


def test_processes_at_once_predict_each_image_once(predictor, images, tmp_path):
    command = [sys.executable, "-m", "nblib", "predict", predictor.runs[0].folder, images, "--to", tmp_path / "out"]
    processes = [subprocess.Popen(map(str, command), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    rows = pd.concat(predicted(tmp_path / "out").values())
    assert len(rows) == 45 and rows["image_id"].is_unique
