"""Notebooks 01 and 02: a folder of images and concept lists -> a tidy table, labels, pixels."""

from nblib.data.categories import CATEGORIES, MODALITY_CONCEPTS
from nblib.data.checks import check_image, check_images
from nblib.data.counting import Z_95, co_occurring_concepts, concept_counts, concept_counts_by, concept_pairs, drift
from nblib.data.counting import f1_ceiling, figure_anchors, images_with, indicative_concepts, lift_table, most_frequent
from nblib.data.duplicates import NEAR, image_signatures, near_duplicates, nearest_distances
from nblib.data.examples import Examples, concatenate, labelled_splits, share_pixels
from nblib.data.groups import find_groups, join_groups
from nblib.data.images import ImageSource, UnreadableImage, cache_pixels, decode_compactly, decode_image, image_sizes
from nblib.data.images import pixel_key
from nblib.data.label_space import choose_concepts
from nblib.data.layouts import LAYOUTS
from nblib.data.leaks import count_leaks, leaking_pairs, pair_agreement, related
from nblib.data.pixels import Pixels, stack_images
from nblib.data.problems import Problem, format_problems, reading_problem, serious_problems, write_quarantine
from nblib.data.reading import inspect_dataset, missing_splits, read_dataset
from nblib.data.splits import METHODS, paper_folds, validation_folds, write_split
from nblib.data.table import SYNTHETIC_MARK, Dataset, count_images, validation_halves
from nblib.data.text import CUI_FORM, decode_text, read_concept_lines, without_suffix
from nblib.data.unlabelled import unlabelled_images
from nblib.data.vocabulary import ConceptVocabulary, label_cardinality, label_density, label_statistics

__all__ = ["MODALITY_CONCEPTS", "decode_compactly", "drift", "label_statistics", "Pixels", "share_pixels", "pair_agreement", "Dataset", "format_problems", "cache_pixels", "figure_anchors", "ImageSource", "concept_counts", "near_duplicates", "Z_95", "labelled_splits", "validation_folds", "missing_splits", "f1_ceiling", "find_groups", "stack_images", "serious_problems", "NEAR", "leaking_pairs", "check_images", "nearest_distances", "CATEGORIES", "indicative_concepts", "ConceptVocabulary", "choose_concepts", "decode_text", "SYNTHETIC_MARK", "concept_counts_by", "read_dataset", "Problem", "check_image", "co_occurring_concepts", "without_suffix", "paper_folds", "Examples", "join_groups", "write_quarantine", "write_split", "images_with", "LAYOUTS", "count_images", "unlabelled_images", "most_frequent", "UnreadableImage", "related", "reading_problem", "decode_image", "lift_table", "pixel_key", "validation_halves", "image_sizes", "read_concept_lines", "label_cardinality", "count_leaks", "concatenate", "METHODS", "inspect_dataset", "label_density", "image_signatures", "CUI_FORM", "concept_pairs"]
