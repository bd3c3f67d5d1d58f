"""Trainings that can't go on: the error says what to do, and nothing that was kept is lost."""

import contextlib
import math
import os
import resource
import shutil

import numpy as np
import pytest
from benchmarks.killing import assert_same_run, half_written, small_experiment, train_anew

from nblib.data import cache_pixels, check_images, decode_image, read_dataset, write_quarantine
from nblib.experiments import Run, open_run
from nblib.training.models import build_network, from_pixels
from nblib.training.trainer import compile_model, fit, load_training_data

EPOCHS = 4


@pytest.fixture(scope="module")
def whole(sample, tmp_path_factory):
    """A run of which nothing went wrong."""
    return train_anew(small_experiment(sample, tmp_path_factory.mktemp("whole"), EPOCHS))


@pytest.fixture
def started(sample, tmp_path):
    """The same experiment, ended after its first epoch."""
    return begin(small_experiment(sample, tmp_path, EPOCHS), epochs=1)


def begin(experiment, epochs):
    """Trains the first epochs of the experiment."""
    data = load_training_data(experiment)
    run = open_run(experiment, data.dataset, data.vocabulary)
    fit(compiled(experiment, data), experiment.model_copy(update={"epochs": epochs}), data, run)
    return experiment


def compiled(experiment, data):
    network = build_network(experiment, len(data.vocabulary))
    return compile_model(from_pixels(network, experiment.backbone), experiment)


@contextlib.contextmanager
def files_of_at_most(size):
    """The system refuses to write more than `size` bytes into a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (math.floor(size), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# ---- no room


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # HDF5 fails once more as it closes
@pytest.mark.parametrize(("name", "epochs"), [("best.weights.h5", 1), ("state.npz", 2)])  # only the second is better
def test_without_room_to_save_the_last_epoch_stays_and_the_run_goes_on_from_there(
    sample, tmp_path, whole, name, epochs
):
    begun = begin(small_experiment(sample, tmp_path, EPOCHS), epochs)
    folder = begun.run_folder
    state, size = (folder / "state.npz").read_bytes(), (folder / name).stat().st_size
    free = r"[\d,]+ are free there\. What was kept before is whole: make room"
    with files_of_at_most(0.9 * size), pytest.raises(OSError, match=rf"{name} needs about [\d,]+ bytes, {free}"):
        train_anew(begun)
    assert (folder / "state.npz").read_bytes() == state and half_written(folder) == []
    assert_same_run(train_anew(begun), whole)


def test_the_bytes_that_are_told_are_those_of_the_file(begun):
    size = (begun.run_folder / "state.npz").stat().st_size
    with files_of_at_most(size // 2), pytest.raises(OSError) as caught:
        train_anew(begun)
    needed = int(str(caught.value).split(" needs about ")[1].split(" bytes")[0].replace(",", ""))
    assert needed == pytest.approx(size, rel=0.02)


def test_where_pixels_find_no_room_halfway_they_are_decoded_as_they_are_needed(sample_dataset, tmp_path, caplog):
    images = sample_dataset.split("val")
    with files_of_at_most(10_000):
        pixels = cache_pixels(images, 64, tmp_path)
    assert "has no room for pixels (File too large): images are decoded whenever" in caplog.text
    assert np.array_equal(pixels, [decode_image(path, 64) for path in images["path"]])
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


# ---- no number


def set_learning_rate(experiment, rate):
    """Writes another learning rate into the kept state."""
    variables = compiled(experiment, load_training_data(experiment))
    variables.optimizer.build(variables.trainable_variables)
    paths = [variable.path for variable in (*variables.variables, *variables.optimizer.variables)]
    (number,) = (number for number, path in enumerate(paths) if path.endswith("learning_rate"))
    with np.load(experiment.run_folder / "state.npz") as kept:
        values = {**kept, str(number): np.float32(rate)}
    np.savez(experiment.run_folder / "state.npz", **values)


def test_a_loss_that_is_no_number_stops_at_its_batch_and_the_last_good_epoch_stays(begun, whole):
    state = begun.run_folder / "state.npz"
    good = state.read_bytes()
    set_learning_rate(begun, 1e38)
    before = state.read_bytes()
    with pytest.raises(FloatingPointError) as caught:
        train_anew(begun)
    told = str(caught.value)
    assert told.startswith(("loss is nan in epoch 2, at batch ", "loss is inf in epoch 2, at batch "))
    assert " of 10, with learning rate 1e+38. " in told
    assert "small/val1 is kept as it was after epoch 1" in told and "lower learning_rate" in told
    assert state.read_bytes() == before and len(Run(begun.run_folder).history) == 1
    state.write_bytes(good)
    assert_same_run(train_anew(begun), whole)


def test_weights_that_the_last_batch_ruined_are_not_kept(sample, tmp_path):
    experiment = small_experiment(sample, tmp_path, EPOCHS, learning_rate=1e38, batch_size=80)
    with pytest.raises(FloatingPointError, match=r"val_loss is (nan|inf) in epoch 1, at its end, .* before its first"):
        train_anew(experiment)
    assert {path.name for path in experiment.run_folder.iterdir()} == {"experiment.json", "vocabulary.txt"}


# ---- no image


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
