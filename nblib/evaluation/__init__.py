"""Notebook 06: probabilities -> concepts -> score. No Keras, no runs."""

from nblib.evaluation.bootstrap import compare_f1, f1_interval
from nblib.evaluation.calibration import CALIBRATIONS, logits
from nblib.evaluation.challenge import SECONDARY_2025, YEARS, rules_of
from nblib.evaluation.clusters import compare_seeds
from nblib.evaluation.decision_rules import RULES, THRESHOLDS, Threshold, compare_rules, fit_rule
from nblib.evaluation.error_analysis import calibration_table, concept_scores, errors_per_image, f1_by_category
from nblib.evaluation.error_analysis import f1_by_frequency, f1_by_number_of_concepts, f1_in_parts, most_confused
from nblib.evaluation.error_analysis import most_missed, secondary_f1, sum_by_frequency
from nblib.evaluation.metrics import as_csr, f1_by_threshold, f1_of_counts, f1_per_image, sample_f1
from nblib.evaluation.saved_rules import fit_or_read_rule, read_saved_rule, rule_as_json, rule_file
from nblib.evaluation.selection import CAP, constant_list, most_frequent_concepts, select
from nblib.evaluation.submission import evaluate, evaluate_secondary, read_truth, submission_bytes, write_submission
from nblib.evaluation.submission_check import check_submission, read_submission

__all__ = [
    "CALIBRATIONS", "CAP", "RULES", "SECONDARY_2025", "THRESHOLDS", "YEARS", "Threshold", "as_csr",
    "calibration_table", "check_submission", "compare_f1", "compare_rules", "compare_seeds", "concept_scores",
    "constant_list", "errors_per_image", "evaluate", "evaluate_secondary", "f1_by_category", "f1_by_frequency",
    "f1_by_number_of_concepts", "f1_by_threshold", "f1_in_parts", "f1_interval", "f1_of_counts", "f1_per_image",
    "fit_or_read_rule", "fit_rule", "logits", "most_confused", "most_frequent_concepts", "most_missed",
    "read_saved_rule", "read_submission", "read_truth", "rule_as_json", "rule_file", "rules_of", "sample_f1",
    "secondary_f1", "select", "submission_bytes", "sum_by_frequency", "write_submission",
]  # fmt: skip
