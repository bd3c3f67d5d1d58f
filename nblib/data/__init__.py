"""Notebooks 01 and 02: a folder of images and concept lists -> a tidy table, labels, pixels."""

from nblib.data.categories import CATEGORIES, MODALITY_CONCEPTS
from nblib.data.checks import check_image, check_images
from nblib.data.counting import (
    Z_95,
    co_occurrences,
    co_occurring_concepts,
    concept_counts,
    concept_counts_by,
    concept_pairs,
    drift,
)
from nblib.data.counting import f1_ceiling, figure_anchors, images_with, indicative_concepts, lift_table, most_frequent
from nblib.data.duplicates import NEAR, image_signatures, near_duplicates, nearest_distances
from nblib.data.examples import Examples, concatenate, labelled_splits, share_pixels
from nblib.data.feature_files import read_features_of, write_features
from nblib.data.groups import find_groups, join_groups
from nblib.data.images import (
    ImageInMemory,
    ImageSource,
    UnreadableImage,
    cache_pixels,
    decode_compactly,
    decode_image,
    image_sizes,
)
from nblib.data.images import pixel_key, pixels_name
from nblib.data.label_space import choose_concepts
from nblib.data.layouts import LAYOUTS
from nblib.data.leaks import count_leaks, leaking_pairs, pair_agreement, related
from nblib.data.pixels import Pixels, stack_images
from nblib.data.problems import Problem, format_problems, reading_problem, serious_problems, write_quarantine
from nblib.data.reading import inspect_dataset, missing_splits, read_dataset
from nblib.data.splits import METHODS, paper_folds, validation_folds, write_split
from nblib.data.table import SYNTHETIC_MARK, Dataset, count_images, validation_halves
from nblib.data.text import CUI_FORM, decode_text, read_concept_lines, without_suffix
from nblib.data.unlabelled import Shard, unlabelled_images, unlabelled_shards
from nblib.data.vocabulary import ConceptVocabulary, label_cardinality, label_density, label_statistics

__all__ = [
    "CATEGORIES", "CUI_FORM", "LAYOUTS", "METHODS", "MODALITY_CONCEPTS", "NEAR", "SYNTHETIC_MARK", "Z_95",
    "ConceptVocabulary", "Dataset", "Examples", "ImageInMemory", "ImageSource", "Pixels", "Problem", "Shard",
    "UnreadableImage", "cache_pixels", "check_image", "check_images", "choose_concepts", "co_occurrences",
    "co_occurring_concepts", "concatenate", "concept_counts", "concept_counts_by", "concept_pairs", "count_images",
    "count_leaks", "decode_compactly", "decode_image", "decode_text", "drift", "f1_ceiling", "figure_anchors",
    "find_groups", "format_problems", "image_signatures", "image_sizes", "images_with", "indicative_concepts",
    "inspect_dataset", "join_groups", "label_cardinality", "label_density", "label_statistics", "labelled_splits",
    "leaking_pairs", "lift_table", "missing_splits", "most_frequent", "near_duplicates", "nearest_distances",
    "pair_agreement", "paper_folds", "pixel_key", "pixels_name", "read_concept_lines", "read_dataset",
    "read_features_of", "reading_problem", "related", "serious_problems", "share_pixels", "stack_images",
    "unlabelled_images", "unlabelled_shards", "validation_folds", "validation_halves", "without_suffix",
    "write_features", "write_quarantine", "write_split",
]  # fmt: skip
