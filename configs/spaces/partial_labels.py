r"""Does learning from partial labels pay, on frozen features?

    python tools/ablate.py configs/face_probe.py --techniques configs/spaces/partial_labels.py \
        --features work_dirs/face_probe/features.arrow --seeds 5 --out work_dirs/partial_labels

Labels are hidden from the training people as three kinds of data sets lack them, anew in each seed
and fold; whoever is predicted has all labels. `mask_everywhere`: gender and age are known of a
tenth of the people. `thirds`: each third of the people has one attribute. `decades`: ages are known
as decades. A technique learns from all that is known of each photo (`all`), from the photos of
which all is known (`complete`), or from all after a first head has answered the rest (`pseudo`).
A third of the people with all labels has as many labels as `thirds`.

Each is compared with the same head that knows all labels: three classifiers; one of 18 classes; and
three behind a hidden layer, with a model of years, as in configs/face_probe_tuned.py.
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
    return dict(name="all labels", config=classifiers(), training=training)


def hidden_layer():
    """Return a hidden layer, and behind it three classifiers with a model of years."""
    years = dict(type="LabelDistributionAge", sigma=3.0, years=(10, 90))
    config = classifiers(years, (1.0, 1.0, 1.0), age_groups=True, dropout=0.5)
    return dict(name="all labels", config=config, hidden=dict(width=256, dropout=0.5))


def softmax():
    """Return one classifier of the 18 classes; it learns which classes may fit."""
    loss = dict(type="WeightedCrossEntropyLoss")
    head = dict(_delete_=True, type="MaskLinearHead", loss=loss)
    return dict(name="all labels", config={"head": head}, training=dict(lr=0.1, weight_decay=0.1))


def hide(kind, *ways):
    """Return a technique for each way to learn where labels are hidden."""
    return [dict(name=f"{kind}, {way}", hide=dict(kind=kind), learn=way) for way in ways]


def every():
    """Return all ways to hide labels, and to learn; and a third of the people with all labels."""
    return [
        dict(name="a third of the people", people=1 / 3),
        *hide("mask_everywhere", "all", "complete", "pseudo"),
        *hide("thirds", "all", "pseudo"),
        *hide("decades", "all"),
    ]


groups = [
    dict(name="linear", baseline=probe(), techniques=every()),
    dict(name="18 classes", baseline=softmax(), techniques=every()),
    dict(name="hidden layer", baseline=hidden_layer(), techniques=every()),
]
