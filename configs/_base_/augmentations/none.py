# No augmentation, not even the mirror image: the bottom line of a comparison.
# Stands in place of the data block, which it extends.

_base_ = ["../data/mask_faces.py"]

augmentations = []
