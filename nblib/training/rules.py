"""What a finished run keeps of the labels of both halves, for those who use it without its data."""

from nblib.data import Dataset
from nblib.evaluation import RULES, concept_scores, f1_by_category, fit_or_read_rule, rule_file, select
from nblib.experiments import Run, read_half


def save_rules_and_concept_scores(run: Run, dataset: Dataset) -> None:
    """Saves all decision rules, fitted on the validation half, and scores by concept and category on the test half.

    Only what is missing is fitted and saved; of a run trained on all images, which has no half, nothing.
    """
    if run.experiment.train_on == "all":
        return
    names = [name for name in RULES if name != "threshold" and not rule_file(run.folder, name).is_file()]
    if names:
        half = read_half(run, dataset, run.experiment.validation_half)
        for name in names:
            fit_or_read_rule(run.folder, name, half)
    if run.concept_scores.empty or run.category_scores.empty:
        half = read_half(run, dataset, run.experiment.test_half)
        scores = concept_scores(half.labels, half.probabilities, half.vocabulary)
        run.write_concept_scores(scores.loc[list(run.vocabulary.concepts)])
        run.write_category_scores(f1_by_category(half.categories, half.labels, select(half.probabilities)))
