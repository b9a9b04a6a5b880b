"""Combine models: votes of predictions, three attributes to 18 classes, soups of weights."""
