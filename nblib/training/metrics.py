"""What Keras measures while it trains: mean F1 over images, at 0.5 or at its best threshold, and accuracy."""

from keras import metrics, ops

from nblib.evaluation import f1_of_counts
from nblib.training.losses import labels_of_sigmoids

THRESHOLDS = tuple(percent / 100 for percent in range(5, 100, 5))


class SampleF1(metrics.Mean):
    """Mean over images of each image's F1 at a threshold; images without a true concept are left out.

    The same number as `nblib.evaluation.sample_f1` (0 instead of NaN if no image has one), computed on the device.
    Paper: section 4, "we implemented a training-time computation of the F1 score".
    """

    def __init__(self, threshold=0.5, name="f1", **options):
        super().__init__(name=name, **options)
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; y_pred is (N, K), y_true also, or with a column of concepts that the label space lacks."""
        f1, scored = _f1_per_image(y_true, y_pred, self.threshold)
        return super().update_state(f1, sample_weight=scored)


class TunedF1(metrics.Metric):
    """The number of `SampleF1` at the one of the `THRESHOLDS` where it is highest."""

    def __init__(self, name="tuned_f1", **options):
        super().__init__(name=name, **options)
        self.sums = self.add_weight(name="sums", shape=(len(THRESHOLDS),), initializer="zeros")
        self.images = self.add_weight(name="images", shape=(), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch like that of `SampleF1`."""
        measured = [_f1_per_image(y_true, y_pred, threshold) for threshold in THRESHOLDS]
        self.sums.assign_add(ops.stack([ops.sum(f1 * scored) for f1, scored in measured]))
        self.images.assign_add(ops.sum(measured[0][1]))

    def result(self):
        """The F1, in [0, 1]; 0 if no image has a true concept."""
        return ops.max(self.sums) / ops.maximum(self.images, 1)


class SigmoidAccuracy(metrics.BinaryAccuracy):
    """The share of all N * K sigmoids that are on the right side of 0.5: Keras' accuracy, as in the paper."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch like that of `SampleF1`."""
        return super().update_state(labels_of_sigmoids(y_true, y_pred), y_pred, sample_weight)


def _f1_per_image(y_true, y_pred, threshold: float):
    """F1 of each image, (n,), and 1 where it has a true concept, else 0, (n,)."""
    y_true = ops.cast(y_true, "float32")
    selected = ops.cast(y_pred > threshold, "float32")
    true, hits = ops.sum(y_true, axis=-1), ops.sum(labels_of_sigmoids(y_true, y_pred) * selected, axis=-1)
    return f1_of_counts(hits, true, ops.sum(selected, axis=-1), ops.maximum), ops.cast(true > 0, "float32")
