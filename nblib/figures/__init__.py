"""One function per figure: a tidy table in, matplotlib Axes or Figure out, drawn on `ax` where one is given."""

from nblib.figures.concepts import draw_ceiling, draw_drift, draw_halves, draw_indicative_concepts, draw_lift
from nblib.figures.concepts import draw_ranks, draw_top_concepts_by_split
from nblib.figures.images import draw_concepts_per_image, draw_hash_distances, draw_image_sizes, draw_images_by_category
from nblib.figures.images import draw_labels, draw_nearest, draw_neighbours, draw_new_images, draw_pairs
from nblib.figures.images import draw_rows, draw_sample_images
from nblib.figures.runs import draw_ablation, draw_against_paper, draw_calibration, draw_confused, draw_f1_by
from nblib.figures.runs import draw_frequency, draw_grad_cam, draw_loss_slices, draw_missed, draw_predicted_concepts
from nblib.figures.runs import draw_predictions, draw_thresholds, draw_training_curves
from nblib.figures.style import concept_label, evenly, use_style
from nblib.figures.tables import format_table

__all__ = [
    "concept_label", "draw_ablation", "draw_against_paper", "draw_calibration", "draw_ceiling",
    "draw_concepts_per_image", "draw_confused", "draw_drift", "draw_f1_by", "draw_frequency", "draw_grad_cam",
    "draw_halves", "draw_hash_distances", "draw_image_sizes", "draw_images_by_category", "draw_indicative_concepts",
    "draw_labels", "draw_lift", "draw_loss_slices", "draw_missed", "draw_nearest", "draw_neighbours",
    "draw_new_images", "draw_pairs", "draw_predicted_concepts", "draw_predictions", "draw_ranks", "draw_rows",
    "draw_sample_images", "draw_thresholds", "draw_top_concepts_by_split", "draw_training_curves", "evenly",
    "format_table", "use_style",
]  # fmt: skip
