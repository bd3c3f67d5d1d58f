"""For JupyterLab: ipywidgets to explore concepts and predictions, and the curves of a run while it is trained."""

from nblib.widgets.concept_explorer import ConceptExplorer, explore_concepts
from nblib.widgets.live_curves import LiveCurves, watch_run
from nblib.widgets.prediction_explorer import PredictionExplorer, explore_predictions

__all__ = [
    "ConceptExplorer",
    "LiveCurves",
    "PredictionExplorer",
    "explore_concepts",
    "explore_predictions",
    "watch_run",
]
