"""Notebook 08: learners on frozen features, nearest neighbours, ensembles, and their ablation."""

from nblib.ensembles.ablation import Configuration, ablation_table, add_runs, finished_runs, out_of_fold
from nblib.ensembles.ablation import pool_members, run_ablation, select_out_of_fold, select_test
from nblib.ensembles.ensembles import OTHER_HALF, VOTES
from nblib.ensembles.learners import LEARNERS, learn_members, read_feature_sets
from nblib.ensembles.neighbours import Index, nearest_train_images

__all__ = [
    "LEARNERS", "OTHER_HALF", "VOTES", "Configuration", "Index", "ablation_table", "add_runs", "finished_runs",
    "learn_members", "nearest_train_images", "out_of_fold", "pool_members", "read_feature_sets", "run_ablation",
    "select_out_of_fold", "select_test",
]  # fmt: skip
