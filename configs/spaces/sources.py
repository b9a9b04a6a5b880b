r"""What does each data set of a mixture add, on frozen features?

    python tools/ablate.py configs/face_probe.py --leave-source-out \
        --features work_dirs/face_probe/features.arrow --seeds 5 --out work_dirs/sources

These are the heads that learn from all sources; the tool adds, for each source, the same head that
learns from the others alone. The people of all sources are predicted, in folds, by heads that have
not seen them. The table has macro F1 and, for each attribute, macro F1 over its values.
"""

features = dict()


def classifiers(age=None, weights=(4.0, 2.0, 1.0), **options):
    """Return three classifiers, the old weighing more; `age` is a model of years beside them.

    `weights` are those of the losses of mask, gender and age, see configs/spaces/techniques.py.
    """
    plain = dict(type="WeightedCrossEntropyLoss")
    losses = dict(mask=plain, gender=plain, age=dict(plain, class_weight="inverse"))
    factors = dict(zip(("mask", "gender", "age"), weights, strict=True))
    head = dict(type="DecomposedHead", losses=losses, loss_weights=factors, age=age, **options)
    return {"head": dict(_delete_=True, **head)}


def probe():
    """Return three classifiers on the features."""
    training = dict(lr=0.05, weight_decay=0.5, steps=120)
    return dict(name="all sources", config=classifiers(), training=training)


def hidden_layer():
    """Return a hidden layer, and behind it three classifiers with a model of years."""
    years = dict(type="LabelDistributionAge", sigma=3.0, years=(10, 90))
    config = classifiers(years, (1.0, 1.0, 1.0), age_groups=True, dropout=0.5)
    return dict(name="all sources", config=config, hidden=dict(width=256, dropout=0.5))


groups = [
    dict(name="linear", baseline=probe(), techniques=[]),
    dict(name="hidden layer", baseline=hidden_layer(), techniques=[]),
]
