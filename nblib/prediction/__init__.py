"""Use what was trained: from new images to concepts, with run folders alone."""

from nblib.prediction.predictor import Predictor
from nblib.prediction.writing import print_predictions, write_predictions

__all__ = ["Predictor", "print_predictions", "write_predictions"]
