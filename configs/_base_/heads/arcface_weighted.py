# ArcFace with class weights: the old are rare in training and not in the test set.

_base_ = ["arcface.py"]

head = dict(loss=dict(class_weight="effective_number"))
