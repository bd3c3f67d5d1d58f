"""Use what was trained: from new images to concepts, with run folders alone."""

from nblib.prediction.app import serve_app
from nblib.prediction.card import model_card, write_card
from nblib.prediction.export import export_run
from nblib.prediction.importing import import_run
from nblib.prediction.predictor import Predictor
from nblib.prediction.shards import predict_shards
from nblib.prediction.trust import trust_table
from nblib.prediction.writing import print_predictions, write_predictions

__all__ = [
    "Predictor", "export_run", "import_run", "model_card", "predict_shards", "print_predictions", "serve_app",
    "trust_table", "write_card", "write_predictions",
]  # fmt: skip
