# Logistic regressions for mask, gender and age group, a ridge regression for the years, and the
# loop that fits them to what a frozen backbone gives of each photo.

head = dict(
    type="DecomposedHead",
    losses=dict(
        mask=dict(type="WeightedCrossEntropyLoss", num_classes=3),
        gender=dict(type="WeightedCrossEntropyLoss", num_classes=2),
        age=dict(type="WeightedCrossEntropyLoss", num_classes=3, class_weight="inverse"),
    ),
    age=dict(type="RegressionAge", distribution="normal"),  # years, within each age group
    age_groups=True,
)
train_cfg = dict(
    type="LinearProbeLoop",
    max_epochs=1,
    Cs=(3e-4, 2e-3, 1.5e-2, 0.1),  # inverse strengths of the penalty to try
    features=None,  # tools/linear_probe.py keeps the features in a file
)
val_cfg = dict()
test_cfg = dict()
# MMEngine asks for an optimizer; it never steps.
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.0))
