"""Trainings that fail: the error says what to do, and nothing that was saved is lost."""

import contextlib
import math
import os
import resource
import shutil

import numpy as np
import pytest
from benchmarks.killing import assert_same_run, half_written, small_experiment, train_anew, train_in_part

from nblib.data import cache_pixels, check_images, decode_image, read_dataset, write_quarantine
from nblib.experiments import Run
from nblib.system import write_json
from nblib.training.models import build_network, trained_network, with_preprocessing
from nblib.training.trainer import compile_model
from nblib.training.training_data import load_training_data

EPOCHS = 4


@pytest.fixture(scope="module")
def whole(sample, tmp_path_factory):
    """A run without failures."""
    return train_anew(small_experiment(sample, tmp_path_factory.mktemp("whole"), EPOCHS))


@pytest.fixture
def started(sample, tmp_path):
    """The same experiment, ended after its first epoch."""
    return start(small_experiment(sample, tmp_path, EPOCHS), epochs=1)


def start(experiment, epochs):
    """Trains the first epochs of the experiment."""
    train_in_part(experiment, epochs)
    return experiment


def compiled(experiment, data):
    network = build_network(experiment, len(data.vocabulary))
    return compile_model(with_preprocessing(network, experiment.backbone), experiment)


@contextlib.contextmanager
def files_of_at_most(size):
    """The system refuses to write more than `size` bytes into a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (math.floor(size), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# ---- disk full


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # HDF5 fails once more as it closes
@pytest.mark.parametrize(("name", "epochs"), [("best.weights.h5", 1), ("state.npz", 2)])  # only the second is better
def test_without_room_to_save_the_last_epoch_stays_and_the_run_resumes_from_there(
    sample, tmp_path, whole, name, epochs
):
    started = start(small_experiment(sample, tmp_path, EPOCHS), epochs)
    folder = started.run_folder
    state, size = (folder / "state.npz").read_bytes(), (folder / name).stat().st_size
    free = r"[\d,]+ are free there\. Everything saved earlier is intact: make room"
    with files_of_at_most(0.9 * size), pytest.raises(OSError, match=rf"{name} needs about [\d,]+ bytes, {free}"):
        train_anew(started)
    assert (folder / "state.npz").read_bytes() == state and half_written(folder) == []
    assert_same_run(train_anew(started), whole)


def test_the_error_says_how_many_bytes_the_file_has(started):
    size = (started.run_folder / "state.npz").stat().st_size
    with files_of_at_most(size // 2), pytest.raises(OSError) as caught:
        train_anew(started)
    needed = int(str(caught.value).split(" needs about ")[1].split(" bytes")[0].replace(",", ""))
    assert needed == pytest.approx(size, rel=0.02)


def test_where_the_disk_is_full_halfway_pixels_are_decoded_when_they_are_needed(sample_dataset, tmp_path, caplog):
    images = sample_dataset.split("val")
    with files_of_at_most(10_000):
        pixels = cache_pixels(images, 64, tmp_path)
    assert "has no room for pixels (File too large): images are decoded whenever" in caplog.text
    assert np.array_equal(pixels, [decode_image(path, 64) for path in images["path"]])
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


# ---- loss not finite


def set_learning_rate(experiment, rate):
    """Writes another learning rate into the saved state."""
    model = compiled(experiment, load_training_data(experiment))
    paths = [variable.path for variable in (*model.variables, *model.optimizer.variables)]
    (number,) = (number for number, path in enumerate(paths) if path.endswith("learning_rate"))
    with np.load(experiment.run_folder / "state.npz") as state:
        values = {**state, str(number): np.float32(rate)}
    np.savez(experiment.run_folder / "state.npz", **values)


def test_a_loss_that_is_not_finite_stops_at_its_batch_and_the_last_good_epoch_stays(started, whole):
    state = started.run_folder / "state.npz"
    good = state.read_bytes()
    set_learning_rate(started, 1e38)
    before = state.read_bytes()
    with pytest.raises(FloatingPointError) as caught:
        train_anew(started)
    message = str(caught.value)
    assert message.startswith(("loss is nan in epoch 2, at batch ", "loss is inf in epoch 2, at batch "))
    assert " of 10, with learning rate 1e+38. " in message
    assert "small/val1 stays as it was after epoch 1" in message and "lower learning_rate" in message
    assert state.read_bytes() == before and len(Run(started.run_folder).history) == 1
    state.write_bytes(good)
    assert_same_run(train_anew(started), whole)


def test_weights_that_the_last_batch_ruined_are_not_saved(sample, tmp_path):
    experiment = small_experiment(sample, tmp_path, EPOCHS, learning_rate=1e38, batch_size=80)
    with pytest.raises(FloatingPointError, match=r"val_loss is (nan|inf) in epoch 1, at its end, .* before its first"):
        train_anew(experiment)
    assert {path.name for path in experiment.run_folder.iterdir()} == {
        "experiment.json",
        "vocabulary.txt",
        "concepts.csv",
    }


# ---- damaged image


def test_an_image_that_was_cut_short_is_named_and_what_the_error_advises_helps(sample, tmp_path):
    folder = shutil.copytree(sample, tmp_path / "data")
    cut = sorted(folder.glob("train/*/*.jpg"))[40]
    os.truncate(cut, 2000)
    experiment = small_experiment(folder, tmp_path / "runs", EPOCHS, limit_images=None)
    with pytest.raises(ValueError, match=rf"{cut.name} can't be read .*`nblib check DATA --quarantine FILE`"):
        load_training_data(experiment)
    assert [path.name for path in (tmp_path / "runs" / "pixels").iterdir()] == ["lock"]

    write_quarantine(tmp_path / "q.txt", check_images(read_dataset(folder).images, pixels=True))
    left = load_training_data(experiment.model_copy(update={"quarantine": str(tmp_path / "q.txt")}))
    assert cut.stem not in left.train.image_ids and len(left.train) == 83


# ---- damaged run folder


def damage(path, how):
    """Cuts the file in the middle, empties it, or fills it with zeros, as a power cut may."""
    size = path.stat().st_size
    os.truncate(path, size // 2 if how == "cut" else 0)
    if how == "zeros":
        os.truncate(path, size)


@pytest.mark.parametrize(("name", "how"), [("state.npz", "cut"), ("best.weights.h5", "zeros")])
def test_a_started_run_with_a_damaged_file_starts_anew_and_says_so(sample, tmp_path, whole, name, how, capsys):
    started = start(small_experiment(sample, tmp_path, EPOCHS), epochs=2)
    damage(started.run_folder / name, how)
    capsys.readouterr()
    assert_same_run(train_anew(started), whole)
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(f"The training starts anew: {started.run_folder / name} is damaged (")


def test_a_started_run_without_best_weights_starts_anew_and_one_with_a_damaged_history_goes_on(
    sample, tmp_path, whole, capsys
):
    started = start(small_experiment(sample, tmp_path, EPOCHS), epochs=2)
    damage(started.run_folder / "history.csv", "cut")
    capsys.readouterr()
    train_in_part(started, 3)
    assert "anew" not in capsys.readouterr().out
    (started.run_folder / "best.weights.h5").unlink()
    assert_same_run(train_anew(started), whole)
    assert f"starts anew: no file {started.run_folder / 'best.weights.h5'}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["probabilities/val1.npz", "scores.json"])
def test_damaged_results_of_a_finished_run_are_made_again_without_training(tmp_path, whole, name, capsys):
    folder = shutil.copytree(whole.folder.parents[1], tmp_path / "runs") / "small" / "val1"
    experiment = whole.experiment.model_copy(update={"runs": str(tmp_path / "runs")})
    write_json(folder / "experiment.json", {**whole.facts, "experiment": experiment.model_dump()})
    damage(folder / name, "cut")
    weights = (folder / "best.weights.h5").stat().st_mtime_ns
    assert_same_run(train_anew(experiment), whole)
    assert f"made again with the best weights: {folder / name} is damaged (" in capsys.readouterr().out
    assert (folder / "best.weights.h5").stat().st_mtime_ns == weights and not (folder / "state.npz").exists()


@pytest.mark.parametrize("how", ["cut", "empty", "zeros", "absent"])
def test_damaged_weights_of_a_finished_run_are_named_with_what_to_do(tmp_path, whole, how):
    run = Run(shutil.copytree(whole.folder, tmp_path / "val1"))
    path = run.folder / "best.weights.h5"
    path.unlink() if how == "absent" else damage(path, how)
    with pytest.raises((FileNotFoundError, ValueError)) as caught:
        trained_network(run)
    sentence = str(caught.value)
    assert sentence.startswith((f"{path} is damaged (", f"no file {path}; ")) and "\n" not in sentence
