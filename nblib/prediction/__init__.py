"""Use what was trained: from new images to concepts, with run folders alone."""

from nblib.prediction.predictor import Predictions, Predictor
from nblib.prediction.writing import FORMATS, write_predictions

__all__ = ["FORMATS", "Predictions", "Predictor", "write_predictions"]
