# Three classifiers, that of age a softmax over years with Gaussian soft labels (DLDL).

_base_ = ["decomposed_shared.py"]

head = dict(
    age=dict(
        type="LabelDistributionAge",
        sigma=3.0,  # years
        years=(10, 90),  # beyond 60: half of the soft label of a person of 60 is above
    ),
)
