import keras
import numpy as np
import pandas as pd
import pytest
from benchmarks.mutations import mutated

from nblib.experiments import Experiment, best_epoch, paper_experiment
from nblib.training.callbacks import (
    AveragedWeights,
    EarlyStopping,
    ReduceLROnF1Plateau,
    plateau_callbacks,
    read_state,
    write_state,
)
from nblib.training.optimizers import NadamWithDecay


def small_model(seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((4,)), keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*layers, keras.layers.Dense(3, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", optimizer=NadamWithDecay(0.01))
    model.optimizer.build(model.trainable_variables)
    return model


def fit_steps(model, steps):
    rng = np.random.default_rng(steps)
    for _ in range(steps):
        model.train_on_batch(rng.normal(size=(6, 4)), rng.integers(0, 2, (6, 3)))


@pytest.mark.parametrize("scaled", [False, True])
def test_averaged_weights_are_in_the_model_from_the_end_of_an_epoch_to_the_next_one(scaled):
    model, callback = small_model(), AveragedWeights()
    optimizer = NadamWithDecay(0.01, use_ema=True)
    optimizer.build(model.trainable_variables)
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer, "binary_crossentropy")
    fit_steps(model, 5)
    callback.set_model(model)
    callback.set_params({"epochs": 9})
    trained = [each.numpy() for each in model.trainable_variables]
    averaged = [each.numpy() for each in optimizer._model_variables_moving_average]
    expected = {"epoch_end": averaged, "epoch_begin": trained, "test_begin": averaged, "test_end": trained}
    for moment, weights in expected.items():
        getattr(callback, f"on_{moment}")(*[0] * moment.startswith("epoch"))
        for ours, theirs in zip(model.trainable_variables, weights, strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs)
    assert any((a != t).any() for a, t in zip(averaged, trained, strict=True))


def rates_after(callback, epochs):
    """The learning rate after each of these epochs, (val_f1, val_loss), up to the one where the callback stops."""
    model = small_model()
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, (f1, loss) in enumerate(epochs):
        callback.on_epoch_end(epoch, {"val_f1": f1, "val_loss": loss})
        rates.append(float(model.optimizer.learning_rate))
        if model.stop_training:
            break
    return rates


def test_patience_is_counted_from_the_first_f1_above_0():
    f1 = [0, 0, 0, 0, 0, 0.1, 0.05, 0.05, 0.05, 0.05]
    rates = rates_after(EarlyStopping(monitor="val_f1", mode="max", patience=3), [(value, 1) for value in f1])
    assert len(rates) == 9  # the best is the sixth; three epochs without a better one follow


def test_a_better_f1_restarts_the_patience():
    f1 = [0.1, 0.05, 0.05, 0.2, 0.1, 0.1, 0.1, 0.1]
    assert len(rates_after(EarlyStopping(monitor="val_f1", mode="max", patience=3), [(value, 1) for value in f1])) == 7


def test_a_plateau_of_f1_is_counted_from_the_first_f1_above_0():
    reduction = ReduceLROnF1Plateau(monitor="val_f1", mode="max", factor=0.5, patience=2)
    epochs = [(0, 1), (0, 1), (0, 1), (0, 1), (0.1, 1), (0.1, 1), (0.1, 1), (0.1, 1), (0.1, 1)]
    expected = [0.01] * 6 + [0.005, 0.005, 0.0025]
    assert rates_after(reduction, epochs) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "monitor", "patience", "improving"),
    [
        ("01_vgg16_fc2048", "val_loss", 3, (0.1, 0.01)),
        ("03_vgg16_flipped", "val_f1", 5, (0.9, 1)),
        ("10_vgg16_f1_plus_bce", "val_f1", 5, (0.9, 1)),
    ],
)
def test_the_rate_is_cut_as_table_3_says(name, monitor, patience, improving):
    stopping, reduction = plateau_callbacks(paper_experiment(name))
    assert (reduction.monitor, reduction.patience, reduction.factor) == (monitor, patience, 0.2)
    plateau = [(0.1, 1)] * (patience + 1)
    assert rates_after(reduction, plateau) == pytest.approx([0.01] * patience + [0.002])
    assert rates_after(reduction, [*plateau[:-1], improving]) == pytest.approx([0.01] * (patience + 1))
    assert isinstance(stopping, EarlyStopping)


@pytest.mark.parametrize("name", ["01_vgg16_fc2048", "02_vgg16_fc4096"])
def test_a_plateau_of_the_loss_is_that_of_keras_also_while_f1_is_0(name):
    (_, ours) = plateau_callbacks(paper_experiment(name))
    keras_own = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.2, patience=3)
    losses = [0.9, 0.8, 0.81, 0.8, 0.80001, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    rates = rates_after(ours, [(0, loss) for loss in losses])
    assert rates == rates_after(keras_own, [(0, loss) for loss in losses])
    assert rates == pytest.approx([0.01] * 4 + [0.002] * 4 + [0.0004] * 3)


@pytest.mark.parametrize(("gain", "rate"), [(0.00005, 0.002), (0.0002, 0.01)])
def test_a_gain_of_less_than_a_ten_thousandth_does_not_keep_the_rate(gain, rate):
    reduction = plateau_callbacks(paper_experiment("03_vgg16_flipped"))[1]
    rates = rates_after(reduction, [(0.1, 1)] * 5 + [(0.1 + gain, 1)])
    assert rates == pytest.approx([0.01] * 5 + [rate])


@pytest.mark.parametrize("name", ["05_resnet50", "06_densenet169", "07_densenet169_flipped"])
def test_nothing_in_table_3_is_no_learning_rate_reduction(name):
    assert [type(callback) for callback in plateau_callbacks(paper_experiment(name))] == [EarlyStopping]


def test_training_stops_early_by_the_f1_of_the_validation_half():
    experiment = paper_experiment("03_vgg16_flipped").model_copy(update={"early_stopping_patience": 4})
    falling_loss = [(0.1, 1 / epoch) for epoch in range(1, 20)]
    assert len(rates_after(plateau_callbacks(experiment)[0], falling_loss)) == 5


@pytest.mark.parametrize(
    ("f1", "epoch"), [([0.1, 0.3, 0.2], 2), ([0.1, 0.3, 0.3], 2), ([0, 0, 0], 3), ([0, 0, 0.1, 0.1], 3), ([0], 1)]
)
def test_the_best_epoch_is_the_first_of_equals_and_the_last_while_all_are_0(f1, epoch):
    assert best_epoch(pd.DataFrame({"val_f1": f1})) == epoch


def test_what_is_monitored_decides_the_best_epoch():
    history = pd.DataFrame({"val_f1": [0.1, 0.3, 0.2], "monitored": [-0.3, -0.2, -0.1]})
    assert best_epoch(history) == 3


def test_training_stops_early_by_the_loss_also_while_f1_is_0():
    experiment = Experiment(monitor="loss", early_stopping_patience=2)
    losses = [(0, 0.5), (0, 0.4), (0.1, 0.45), (0.2, 0.45), (0.3, 0.3)]
    assert len(rates_after(plateau_callbacks(experiment)[0], losses)) == 4


def test_training_stops_early_by_the_f1_at_the_best_threshold():
    (stopping, _) = plateau_callbacks(Experiment(monitor="tuned_f1"))
    assert (stopping.monitor, type(stopping)) == ("val_tuned_f1", EarlyStopping)


def test_a_cosine_has_no_plateau():
    assert [type(each) for each in plateau_callbacks(Experiment(schedule="cosine"))] == [EarlyStopping]


def test_a_saved_state_restores_history_and_every_value(tmp_path):
    model, rows = small_model(), [{"epoch": 1, "val_f1": 0.1 + 0.2}, {"epoch": 2, "val_f1": 1 / 3}]
    fit_steps(model, 3)
    model.stop_training = True
    write_state(tmp_path / "state.npz", rows, model)
    saved_rows, stopped, values = read_state(tmp_path / "state.npz")
    assert (saved_rows, stopped) == (rows, True)
    variables = [*model.variables, *model.optimizer.variables]
    assert int(model.optimizer.iterations) == 3 and len(values) == len(variables)
    for value, variable in zip(values, variables, strict=True):
        np.testing.assert_array_equal(value, variable.numpy())


def test_the_state_includes_variables_of_dropout_and_batch_normalisation():
    names = {variable.path.split("/")[-1] for variable in small_model().variables}
    assert {"seed_generator_state", "moving_mean", "moving_variance"} <= names


def test_without_a_saved_state_nothing_is_restored(tmp_path):
    assert read_state(tmp_path / "state.npz") == ([], False, [])


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_whatever_a_state_holds_the_error_is_a_sentence(tmp_path):
    path, rng = tmp_path / "state.npz", np.random.default_rng(15)
    write_state(path, [{"epoch": 1}], small_model())
    content, refused = path.read_bytes(), 0
    for _ in range(200):
        path.write_bytes(mutated(content, rng))
        try:
            read_state(path)
        except ValueError as error:
            refused += 1
            assert str(error).startswith(f"{path} is damaged (") and "\n" not in str(error)
    assert refused > 100


def test_no_half_written_state_is_left_when_writing_fails(tmp_path):
    with pytest.raises(TypeError):
        write_state(tmp_path / "state.npz", [{"epoch": object()}], small_model())
    assert list(tmp_path.iterdir()) == []
