"""Notebooks 03 to 05: networks and how they learn. The only package that imports Keras."""

from nblib.training import backend as backend  # before anything that imports Keras
from nblib.training.augmentation import augment
from nblib.training.doctor import examine, read_experiment, versions
from nblib.training.export import export_model
from nblib.training.features import extract_features, similarity_features
from nblib.training.gradcam import explain
from nblib.training.heads import prepare_head
from nblib.training.kernel_ridge import kernel_ridge_solver, prepare_kernel_ridge
from nblib.training.losses import loss_slices
from nblib.training.models import build_network, describe_network, trained_network
from nblib.training.rules import save_rules_and_concept_scores, score_halves
from nblib.training.trainer import load_model, predict_batch, predict_test, train
from nblib.training.training_data import load_training_data, prepare

__all__ = [
    "augment", "build_network", "describe_network", "examine", "explain", "export_model", "extract_features",
    "kernel_ridge_solver", "load_model", "load_training_data", "loss_slices", "predict_batch", "predict_test",
    "prepare", "prepare_head", "prepare_kernel_ridge", "read_experiment", "save_rules_and_concept_scores",
    "score_halves", "similarity_features", "train", "trained_network", "versions",
]  # fmt: skip
