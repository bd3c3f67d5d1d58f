"""The optimiser of an experiment; NAdam with the schedule decay that Keras 2 had and Keras 3 left out."""

import re

from keras import ops, optimizers

from nblib.experiments import Experiment


def build_optimizer(experiment: Experiment, batches: int = 1) -> optimizers.Optimizer:
    """The experiment's optimiser: the paper's NAdam, AdamW, or stochastic gradient descent with momentum 0.9.

    Weight decay, clipping, gradient accumulation and moving averages are those of Keras, and off by default. `batches`
    is the number of them per epoch, which a schedule other than plateau needs.
    """
    e, rate = experiment, learning_rate(experiment, batches)
    options = {
        "weight_decay": e.weight_decay or (0.0 if e.optimizer == "adamw" else None),
        "clipnorm": e.clipnorm,
        "gradient_accumulation_steps": e.gradient_accumulation_steps if e.gradient_accumulation_steps > 1 else None,
        "use_ema": e.use_ema,
        "ema_momentum": e.ema_momentum,
    }
    if e.optimizer == "nadam":
        options["schedule_decay"] = e.schedule_decay
    if e.optimizer == "sgd":
        options["momentum"] = 0.9
    if e.backbone_learning_rate_factor == 1:
        return OPTIMIZERS[e.optimizer](rate, **options)
    optimizer = SLOWER[e.optimizer](rate, **options)
    optimizer.backbone_factor = e.backbone_learning_rate_factor
    return optimizer


def learning_rate(experiment: Experiment, batches: int) -> float | optimizers.schedules.CosineDecay:
    """The learning rate, or how it changes from batch to batch: up from 0 in the warm-up, then down to 0 by a cosine.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), with no restart.
    """
    rate, rising = experiment.learning_rate, round(experiment.warmup_epochs * batches)
    if experiment.schedule == "plateau":
        return rate
    falling = experiment.epochs * batches - rising
    if not rising:
        return optimizers.schedules.CosineDecay(rate, falling)
    return optimizers.schedules.CosineDecay(0.0, falling, warmup_target=rate, warmup_steps=rising)


class NadamWithDecay(optimizers.Nadam):
    """NAdam whose momentum at step t is `beta_1 * (1 - 0.5 * 0.96 ** (t * schedule_decay))`.

    Keras 3 writes the same rule with `schedule_decay` fixed at 1; here it is an argument again, as in the Keras of the
    paper. Everything else, arguments included, is Keras' own.

    Paper: section 4, "NAdam optimizer, learning rate = 1e-5, schedule decay 0.9".
    """

    def __init__(self, learning_rate=1e-5, schedule_decay=0.9, name="nadam_with_decay", **options):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.schedule_decay = schedule_decay

    def _momentum(self, step, dtype):
        """Momentum at `step`, counted from 1."""
        exponent = ops.cast(step, dtype) * self.schedule_decay
        return self.beta_1 * (1 - 0.5 * ops.power(ops.cast(0.96, dtype), exponent))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        dtype = self._u_product.dtype
        self.assign(self._u_product, self._u_product * self._momentum(self.iterations + 1, dtype))
        # Skips Nadam's own method, which would multiply the product by its own momentum.
        super(optimizers.Nadam, self)._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient, variable, learning_rate):
        """Moves `variable` by one step, in place."""
        dtype = variable.dtype
        gradient, learning_rate = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        now, following = self._momentum(step, dtype), self._momentum(step + 1, dtype)
        product = ops.cast(self._u_product, dtype)
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]

        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(square, (ops.square(gradient) - square) * (1 - self.beta_2))
        # Scalars are put together first: each pass over a hundred million weights costs.
        of_mean = learning_rate * following / (1 - product * following)
        of_gradient = learning_rate * (1 - now) / (1 - product)
        of_square = 1 / (1 - ops.power(ops.cast(self.beta_2, dtype), step))
        change = (of_mean * mean + of_gradient * gradient) / (ops.sqrt(of_square * square) + self.epsilon)
        self.assign_sub(variable, change)

    def get_config(self):
        """Arguments that make the same optimiser again."""
        return {**super().get_config(), "schedule_decay": self.schedule_decay}


class _SlowerBackbone:
    """Mixed into an optimiser of Keras: the learning rate of all weights but the head's is `backbone_factor` times it.

    Their weight decay, which is times the learning rate, is that much weaker too.
    """

    backbone_factor = 1.0

    def build(self, variables):
        """Notes which variables are the backbone's; the head's are those that `build_network` names."""
        super().build(variables)
        self._of_backbone = frozenset(n for n, variable in enumerate(variables) if not OF_HEAD.match(variable.path))

    def update_step(self, gradient, variable, learning_rate):
        """Moves `variable` by one step, in place."""
        if self._get_variable_index(variable) in self._of_backbone:
            learning_rate = learning_rate * self.backbone_factor
        if self.weight_decay:
            self.assign_sub(variable, variable * ops.cast(self.weight_decay * learning_rate, variable.dtype))
        super().update_step(gradient, variable, learning_rate)

    def _apply_weight_decay(self, variables):
        """Nothing: it is part of each step."""


OF_HEAD = re.compile(r"(fc\d+|predictions|gem)/")
OPTIMIZERS = {"nadam": NadamWithDecay, "adamw": optimizers.AdamW, "sgd": optimizers.SGD}
SLOWER = {name: type(f"{kind.__name__}SlowerBackbone", (_SlowerBackbone, kind), {})
          for name, kind in OPTIMIZERS.items()}  # fmt: skip
