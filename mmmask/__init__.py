"""mmmask: classify masked faces with MMPretrain.

Importing the package is light: it loads neither torch nor OpenMMLab. A config registers the
trainable parts with ``custom_imports=['mmmask.register']``.
"""

__version__ = "0.1.0"
