"""Find medical concepts (UMLS CUIs) in radiology images: the library under the notebooks.

Paper: Kalimuthu, Nunnari and Sonntag, "A Competitive Deep Neural Network Approach for the ImageCLEFmed
Caption 2020 Task", CLEF 2020 (CC BY 4.0). Import what you need from its packages:

    from nblib.data import read_dataset
    from nblib.experiments import Experiment
"""

import os

__version__ = "0.1.0"

# While loading, TensorFlow reports every CPU feature and absent GPU library; stored notebooks need only errors.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# TensorFlow's CPU allocator keeps memory between steps, instead of requesting it from the system in each.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
