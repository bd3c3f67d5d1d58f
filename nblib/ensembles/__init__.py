"""Notebook 08: learners on frozen features, nearest neighbours, ensembles, and their ablation."""

from nblib.ensembles.ablation import Choice, Configuration, ablation_table, out_of_fold, pool_members, run_ablation
from nblib.ensembles.ablation import select_out_of_fold, select_test
from nblib.ensembles.ensembles import EVALUATED_ON, TUNED_ON, VOTES
from nblib.ensembles.learners import LEARNERS, learn_members, read_features
from nblib.ensembles.neighbours import Index, nearest_train_images
from nblib.ensembles.runs import add_runs, finished_runs
from nblib.ensembles.votes import TunedVotes

__all__ = [
    "EVALUATED_ON", "LEARNERS", "TUNED_ON", "VOTES", "Choice", "Configuration", "Index", "TunedVotes",
    "ablation_table", "add_runs", "finished_runs", "learn_members", "nearest_train_images", "out_of_fold",
    "pool_members", "read_features", "run_ablation", "select_out_of_fold", "select_test",
]  # fmt: skip
