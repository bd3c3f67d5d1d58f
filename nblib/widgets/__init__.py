"""For JupyterLab: ipywidgets around the figures, and the curves of a run while it trains."""

from nblib.widgets.concept_explorer import explore_concepts
from nblib.widgets.live_curves import LiveCurves
from nblib.widgets.prediction_explorer import explore_predictions

__all__ = ["LiveCurves", "explore_concepts", "explore_predictions"]
