"""Notebook 07: finished runs -> tables beside the paper's, and HTML pages that need neither Jupyter nor a network."""

from nblib.reports.render import render_reports
from nblib.reports.tables import against_paper, compare_runs, differences_from_paper, f1_on_test_split, fill_table_3

__all__ = [
    "against_paper", "compare_runs", "differences_from_paper", "f1_on_test_split", "fill_table_3", "render_reports",
]  # fmt: skip
