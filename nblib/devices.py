"""Where a network computes: memory of the GPUs, several of them on one batch, and the precision of layers."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache

import keras
import tensorflow as tf

logger = logging.getLogger(__name__)


def grow_memory() -> None:
    """Has TensorFlow take the memory of each GPU as it needs it, not all at once; harmless without a GPU.

    It must come before the first use of a GPU; too late, TensorFlow keeps what it took, and a warning says so.
    """
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        logger.warning("the GPUs were in use before nblib could limit their memory: TensorFlow has taken all of it.")


def sharing(devices: int) -> AbstractContextManager:
    """The context in which a network is made whose batches are shared by that many GPUs; for 1, none.

    Each device holds all weights and takes an equal part of every batch (tf.distribute.MirroredStrategy); the
    gradients are summed. Where there is no GPU, the CPU's logical devices count instead; there is one of them
    unless TensorFlow is configured otherwise.

    Raises:
        ValueError: TensorFlow sees fewer.
    """
    grow_memory()
    return nullcontext() if devices == 1 else _mirrored(devices).scope()


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """The context in which layers are made that compute in float32, mixed_float16 or mixed_bfloat16.

    Their weights are float32 in each. Afterwards Keras makes layers as it did before.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@cache
def _mirrored(devices: int) -> tf.distribute.MirroredStrategy:
    gpus = tf.config.list_logical_devices("GPU")
    seen = gpus or tf.config.list_logical_devices("CPU")
    if devices > len(seen):
        raise ValueError(
            f"devices is {devices}, but TensorFlow sees {len(gpus)} GPUs: set devices to {max(len(gpus), 1)}, or look "
            f"at `nvidia-smi` and at GPU in README.md."
        )
    return tf.distribute.MirroredStrategy([device.name for device in seen[:devices]])
