import keras
import numpy as np
import pytest

from nblib.experiments import Experiment
from nblib.training.models import build_network
from nblib.training.optimizers import NadamWithDecay, build_optimizer

STEPS = 50
SHAPES = ((3,), (2, 4), ())


class Keras2Nadam:
    """NAdam of Keras 2.2, `keras/optimizers.py`, line for line in NumPy."""

    def __init__(self, params, lr, schedule_decay, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.params = [np.array(p, "float64") for p in params]
        self.ms = [np.zeros_like(p) for p in self.params]
        self.vs = [np.zeros_like(p) for p in self.params]
        self.lr, self.schedule_decay, self.epsilon = lr, schedule_decay, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.iterations, self.m_schedule = 0, 1.0

    def update(self, grads):
        t = self.iterations = self.iterations + 1
        momentum_cache_t = self.beta_1 * (1.0 - 0.5 * (0.96 ** (t * self.schedule_decay)))
        momentum_cache_t_1 = self.beta_1 * (1.0 - 0.5 * (0.96 ** ((t + 1) * self.schedule_decay)))
        m_schedule_new = self.m_schedule * momentum_cache_t
        m_schedule_next = self.m_schedule * momentum_cache_t * momentum_cache_t_1
        self.m_schedule = m_schedule_new
        for i, g in enumerate(grads):
            g_prime = g / (1.0 - m_schedule_new)
            self.ms[i] = self.beta_1 * self.ms[i] + (1.0 - self.beta_1) * g
            m_t_prime = self.ms[i] / (1.0 - m_schedule_next)
            self.vs[i] = self.beta_2 * self.vs[i] + (1.0 - self.beta_2) * np.square(g)
            v_t_prime = self.vs[i] / (1.0 - self.beta_2**t)
            m_t_bar = (1.0 - momentum_cache_t) * g_prime + momentum_cache_t_1 * m_t_prime
            self.params[i] = self.params[i] - self.lr * m_t_bar / (np.sqrt(v_t_prime) + self.epsilon)


def random_start(seed=0):
    rng = np.random.default_rng(seed)
    start = [rng.normal(size=shape).astype("float32") for shape in SHAPES]
    gradients = [[rng.normal(size=shape).astype("float32") for shape in SHAPES] for _ in range(STEPS)]
    return start, gradients


def path_of(optimizer, start, gradients):
    """Values of all variables after each step, in one row a step."""
    variables = [keras.Variable(value) for value in start]
    path = []
    for step in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in step], variables)
        path.append(np.concatenate([np.ravel(variable.numpy()) for variable in variables]))
    return np.array(path)


@pytest.mark.parametrize("schedule_decay", [0.9, 0.004, 0.0])
def test_every_step_is_that_of_keras_2(schedule_decay):
    start, gradients = random_start()
    old = Keras2Nadam(start, lr=0.01, schedule_decay=schedule_decay)
    expected = []
    for step in gradients:
        old.update(step)
        expected.append(np.concatenate([np.ravel(value) for value in old.params]))
    path = path_of(NadamWithDecay(0.01, schedule_decay), start, gradients)
    np.testing.assert_allclose(path, expected, rtol=0, atol=5e-6)


def test_a_decay_of_1_is_the_nadam_of_keras_3_and_0_9_is_not():
    start, gradients = random_start(seed=1)
    gradients = gradients[:20]
    theirs = path_of(keras.optimizers.Nadam(0.01), start, gradients)
    np.testing.assert_allclose(path_of(NadamWithDecay(0.01, 1.0), start, gradients), theirs, rtol=0, atol=5e-6)
    assert np.abs(path_of(NadamWithDecay(0.01, 0.9), start, gradients) - theirs).max() > 1e-4


def test_defaults_are_the_papers():
    optimizer = NadamWithDecay()
    assert float(optimizer.learning_rate) == pytest.approx(1e-5)
    assert (optimizer.schedule_decay, optimizer.beta_1, optimizer.beta_2) == (0.9, 0.9, 0.999)
    assert optimizer.epsilon == 1e-7


def test_what_is_saved_makes_the_same_optimiser_again():
    optimizer = NadamWithDecay(0.25, schedule_decay=0.5, beta_1=0.75, clipnorm=2.0)
    saved = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(saved, custom_objects={"NadamWithDecay": NadamWithDecay})
    assert type(again) is NadamWithDecay
    assert again.get_config() == optimizer.get_config()
    assert (again.schedule_decay, again.beta_1, again.clipnorm) == (0.5, 0.75, 2.0)


def test_all_that_a_step_depends_on_is_among_its_variables():
    """A killed run keeps `optimizer.variables`; the product of momentums must be one of them."""
    start, gradients = random_start(seed=2)
    whole = path_of(NadamWithDecay(0.01), start, gradients[:20])

    variables = [keras.Variable(value) for value in start]
    first, second = NadamWithDecay(0.01), NadamWithDecay(0.01)
    for step in gradients[:8]:
        first.apply(step, variables)
    second.build(variables)
    for theirs, ours in zip(first.variables, second.variables, strict=True):
        ours.assign(theirs)
    for step in gradients[8:20]:
        second.apply(step, variables)
    np.testing.assert_array_equal(np.concatenate([np.ravel(v.numpy()) for v in variables]), whole[-1])


# ---- the options of an experiment, beside NumPy


def steps_of(start, gradients, **conditions):
    return path_of(build_optimizer(Experiment(learning_rate=0.01, **conditions)), start, gradients)


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


def test_the_default_is_the_papers_to_the_bit():
    start, gradients = random_start(seed=3)
    np.testing.assert_array_equal(steps_of(start, gradients), path_of(NadamWithDecay(0.01), start, gradients))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adamw_is_that_of_its_authors(weight_decay):
    """Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2."""
    start, gradients = random_start(seed=4)
    weights, mean, square, expected = flat(start).astype("float64"), 0, 0, []
    for step, gradient in enumerate(map(flat, gradients), 1):
        weights = weights - 0.01 * weight_decay * weights
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        weights = weights - 0.01 * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-7)
        expected.append(weights)
    path = steps_of(start, gradients, optimizer="adamw", weight_decay=weight_decay)
    np.testing.assert_allclose(path, expected, rtol=0, atol=5e-6)


def test_sgd_has_momentum_and_clips_the_gradient_of_each_array():
    start, gradients = random_start(seed=5)
    weights, velocity, expected = [np.float64(each) for each in start], [0, 0, 0], []
    for step in gradients:
        clipped = [gradient * min(1, 0.5 / np.linalg.norm(gradient)) for gradient in step]
        velocity = [0.9 * old - 0.01 * gradient for old, gradient in zip(velocity, clipped, strict=True)]
        weights = [old + change for old, change in zip(weights, velocity, strict=True)]
        expected.append(flat(weights))
    path = steps_of(start, gradients, optimizer="sgd", clipnorm=0.5)
    np.testing.assert_allclose(path, expected, rtol=0, atol=5e-6)


def test_the_papers_nadam_takes_weight_decay_too():
    start, gradients = random_start(seed=6)
    (expected,) = path_of(NadamWithDecay(0.01), [0.9 * each for each in start], gradients[:1])
    (reached,) = steps_of(start, gradients[:1], weight_decay=10.0)  # 0.01 x 10 of each weight
    np.testing.assert_allclose(reached, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["nadam", "adamw", "sgd"])
def test_steps_are_made_of_the_mean_gradient_of_accumulated_batches(optimizer):
    start, gradients = random_start(seed=7)
    means = [
        [(a + b) / 2 for a, b in zip(*pair, strict=True)] for pair in zip(gradients[::2], gradients[1::2], strict=True)
    ]
    expected = steps_of(start, means, optimizer=optimizer)
    path = steps_of(start, gradients, optimizer=optimizer, gradient_accumulation_steps=2)
    np.testing.assert_allclose(path[1::2], expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(path[2::2], path[1:-1:2])  # nothing moves in between


def test_the_moving_average_is_that_of_the_weights_after_each_step():
    start, gradients = random_start(seed=8)
    optimizer = build_optimizer(Experiment(learning_rate=0.01, use_ema=True, ema_momentum=0.75))
    first, *others = path_of(optimizer, start, gradients)
    average = first
    for weights in others:
        average = 0.75 * average + 0.25 * weights
    kept = [average.numpy() for average in optimizer._model_variables_moving_average]
    np.testing.assert_allclose(flat(kept), average, rtol=0, atol=1e-6)
    np.testing.assert_array_equal([first, *others], steps_of(start, gradients))


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("warmup_epochs", [0, 1.5])
def test_the_rate_rises_on_a_line_and_falls_on_a_cosine_from_batch_to_batch(warmup_epochs, accumulated):
    conditions = dict(learning_rate=0.02, schedule="cosine", epochs=5, warmup_epochs=warmup_epochs)
    optimizer = build_optimizer(
        Experiment(optimizer="sgd", gradient_accumulation_steps=accumulated, **conditions), batches=10
    )
    variables = [keras.Variable(np.zeros(3, "float32"))]
    rates, rising = [], round(10 * warmup_epochs)
    for _ in range(50):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([np.ones(3, "float32")], variables)
    up = [0.02 * step / rising for step in range(rising)]
    down = [0.01 * (1 + np.cos(np.pi * step / (50 - rising))) for step in range(50 - rising)]
    np.testing.assert_allclose(rates, up + down, rtol=1e-5, atol=1e-9)
    assert float(optimizer.learning_rate) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("options", [{}, {"optimizer": "adamw", "weight_decay": 0.5}, {"optimizer": "sgd"}])
def test_the_backbone_learns_at_its_own_rate_and_the_head_at_the_whole(options):
    def path(rate, factor):
        small = {"backbone": "small_plain", "weights": None, "image_size": 32, "fc_units": 4, "pooling": "gem"}
        experiment = Experiment(learning_rate=rate, backbone_learning_rate_factor=factor, **small, **options)
        network, optimizer = build_network(experiment, 3), build_optimizer(experiment)
        optimizer.build(network.trainable_variables)
        rng = np.random.default_rng(4)
        for _ in range(5):
            optimizer.apply([rng.normal(size=each.shape).astype("float32") for each in network.trainable_variables])
        weights = network.get_weights()
        return flat(weights[:8]), flat(weights[8:])  # of four convolutions; of GeM and three dense layers

    (slow, head), (backbone, _), (_, whole) = path(0.02, 0.1), path(0.002, 1), path(0.02, 1)
    np.testing.assert_allclose(slow, backbone, rtol=0, atol=1e-6)
    np.testing.assert_allclose(head, whole, rtol=0, atol=1e-6)
