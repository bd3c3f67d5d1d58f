"""Notebook 07: finished runs -> tables beside the paper's, and HTML pages that need neither Jupyter nor a network."""

from nblib.reports.paper_tables import fill_table_3, fill_table_4, scored_submissions
from nblib.reports.render import render_reports
from nblib.reports.tables import against_paper, compare_runs, differences_from_paper, f1_on_test_split

__all__ = [
    "against_paper", "compare_runs", "differences_from_paper", "f1_on_test_split", "fill_table_3", "fill_table_4",
    "render_reports", "scored_submissions",
]  # fmt: skip
