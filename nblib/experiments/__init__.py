"""Notebooks 03 to 05: one experiment, its parameters, its run folder, and the paper's figures."""

from nblib.experiments.experiment import HUB, KERAS_BACKBONES, SMALL_RELATIVES, Experiment, notebook_of
from nblib.experiments.experiment import paper_experiment
from nblib.experiments.paper import FIGURE_ANCHORS, LABEL_STATISTICS, WINNING_F1, printed_table_3, table_1, table_3
from nblib.experiments.paper import table_4
from nblib.experiments.parameters import notebook_parameters, project_path, read_parameters, refuse_unknown
from nblib.experiments.run_files import naming_damage, read_arrays
from nblib.experiments.run_folders import ARCHIVED, VERSIONS_OF, comparable_runs, conflicting_run, find_runs
from nblib.experiments.run_folders import open_finished, open_run, other_code, provenance
from nblib.experiments.runs import Run, best_epoch, read_half, read_own_data
from nblib.experiments.watch import duration, print_epochs, time_left, watch_run

__all__ = [
    "ARCHIVED", "FIGURE_ANCHORS", "HUB", "KERAS_BACKBONES", "LABEL_STATISTICS", "SMALL_RELATIVES", "VERSIONS_OF",
    "WINNING_F1", "Experiment", "Run", "best_epoch", "comparable_runs", "conflicting_run", "duration", "find_runs",
    "naming_damage", "notebook_of", "notebook_parameters", "open_finished", "open_run", "other_code",
    "paper_experiment", "print_epochs", "printed_table_3", "project_path", "provenance", "read_arrays", "read_half",
    "read_own_data", "read_parameters", "refuse_unknown", "table_1", "table_3", "table_4", "time_left", "watch_run",
]  # fmt: skip
