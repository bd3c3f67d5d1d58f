"""TensorFlow, loaded before everything else here, without its messages.

While it loads and looks for GPUs, it reports CPU features and absent libraries on stderr, at any log level. Stored
notebooks need none of that; `nblib doctor` says which devices there are.
"""

from nblib.system import stderr_silenced

with stderr_silenced():
    import tensorflow as tf

    tf.config.list_physical_devices()
