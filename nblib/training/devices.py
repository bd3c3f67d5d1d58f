"""Devices: memory of the GPUs, several GPUs that share each batch, and the precision of layers."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, wraps

import keras
import tensorflow as tf
from keras import ops

logger = logging.getLogger(__name__)


def grow_memory() -> None:
    """Makes TensorFlow allocate the memory of each GPU as it is needed, not all at once; harmless without a GPU.

    It must come before the first use of a GPU; later, TensorFlow keeps what it has allocated, and a warning says so.
    """
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        logger.warning("the GPUs were in use before nblib could limit their memory: TensorFlow has taken all of it.")


def strategy_scope(devices: int) -> AbstractContextManager:
    """The scope in which to build a network whose batches are shared by that many GPUs; for 1, an empty scope.

    Each device holds all weights and takes a part of every batch (tf.distribute.MirroredStrategy). Losses, gradients,
    F1 and the statistics of batch normalisation are those of the whole batch, as on one device, but for rounding; only
    dropout differs, since all parts of a batch get the same mask. Without a GPU, the CPU's logical devices count.

    Raises:
        ValueError: TensorFlow sees fewer.
    """
    grow_memory()
    return nullcontext() if devices == 1 else _mirrored(devices).scope()


@contextmanager
def retracing_warnings_suppressed() -> Iterator[None]:
    """Suppresses TensorFlow's warnings of retracing, which it gives where many networks predict one after the other."""
    tensorflow = tf.get_logger()
    before = tensorflow.level
    tensorflow.setLevel("ERROR")
    try:
        yield
    finally:
        tensorflow.setLevel(before)


@contextmanager
def dtype_policy_scope(precision: str) -> Iterator[None]:
    """The scope in which to build layers that compute in `precision`; their weights are float32 in each."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def batch_mean(per_image):
    """Mean of `per_image`, (n,), over the whole batch, a scalar; where devices share it, n is this one's part of it.

    Gradients of all parts are summed, too.
    """
    if (replica := _replica()) is None:
        return ops.mean(per_image)
    return replica.all_reduce("SUM", ops.sum(per_image)) / _batch_size(replica, per_image)


def as_part_of_batch(loss: Callable) -> Callable:
    """`loss`, with the gradient of the mean over the whole batch however devices share it.

    Keras averages per device, then over devices, which over-weights images on the device with the smaller share of an
    uneven batch. This corrects the gradient; loss values stay the same. On one device it changes nothing.
    """

    @wraps(loss)
    def weighted(y_true, y_pred):
        per_image, replica = loss(y_true, y_pred), _replica()
        if replica is None:
            return per_image
        part = ops.cast(ops.shape(per_image)[0] * replica.num_replicas_in_sync, per_image.dtype)
        scaled = per_image * part / _batch_size(replica, per_image)
        return scaled + ops.stop_gradient(per_image - scaled)

    return weighted


def _replica() -> tf.distribute.ReplicaContext | None:
    """This device among those that share a batch; None where there is only one, or outside of training."""
    replica = tf.distribute.get_replica_context()
    return replica if replica is not None and replica.num_replicas_in_sync > 1 else None


def _batch_size(replica: tf.distribute.ReplicaContext, per_image):
    """Images in the whole batch."""
    return replica.all_reduce("SUM", ops.cast(ops.shape(per_image)[0], per_image.dtype))


@cache
def _mirrored(devices: int) -> tf.distribute.MirroredStrategy:
    gpus = tf.config.list_logical_devices("GPU")
    visible = gpus or tf.config.list_logical_devices("CPU")
    if devices > len(visible):
        raise ValueError(
            f"devices is {devices}, but TensorFlow sees {len(gpus)} GPUs: set devices to {max(len(gpus), 1)}, or see "
            f"`nvidia-smi`, and GPUs in docs/running.md."
        )
    return tf.distribute.MirroredStrategy([device.name for device in visible[:devices]])
