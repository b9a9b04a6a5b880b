# Three classifiers on one feature (mask, gender, age), whose product is the joint distribution.

_base_ = ["decomposed_shared.py"]

head = dict(losses=dict(age=dict(type="WeightedCrossEntropyLoss", num_classes=3)))
