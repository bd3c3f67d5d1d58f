"""Notebook 07: finished runs -> tables beside the paper's, and HTML pages that need neither Jupyter nor a network."""

from nblib.reports.concepts_page import write_concepts_page
from nblib.reports.paper_tables import fill_table_3, fill_table_4, scored_submissions
from nblib.reports.render import render_reports
from nblib.reports.seeds import collapse_runs
from nblib.reports.submissions import enter_online_score, remaining_budget, score_submissions, submissions, submit
from nblib.reports.tables import against_paper, compare_runs, differences_from_paper, f1_on_test_split

__all__ = [
    "against_paper", "collapse_runs", "compare_runs", "differences_from_paper", "enter_online_score",
    "f1_on_test_split", "fill_table_3", "fill_table_4", "remaining_budget", "render_reports", "score_submissions",
    "scored_submissions", "submissions", "submit", "write_concepts_page",
]  # fmt: skip
