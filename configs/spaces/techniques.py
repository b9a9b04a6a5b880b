r"""Which techniques of the published systems earn their score, on frozen features?

    python tools/ablate.py configs/face_probe.py --techniques configs/spaces/techniques.py \
        --features work_dirs/face_probe/features.arrow --seeds 5 --out work_dirs/techniques

`features` are further files, made where missing: the study's config, or another, with `options` or
a `view` of test-time augmentation; `columns` are a part of the study's own file, which is `base`.
A technique has what its group's baseline has, but for what it states: `config` (dotted names of the
head and of the training labels), `training`, `sampler`, `calibration`, `decision`, `corrections`,
`pseudo_labels`, `features`, `train_views`, `test_views`, `people`, `label_noise`, `without_source`,
`hide` and `learn` (see configs/spaces/partial_labels.py), `hidden` (a hidden layer).

Rates, decays and weights of losses were chosen once for each kind of head, by the folds of the
split seeds 98 and 99, which are none of those scored. There three classifiers score what logistic
regressions do (macro F1 0.610 and 0.608).
"""

features = dict(
    layer_9=dict(columns=(0, 512)),
    layer_13=dict(columns=(512, 1536)),
    layer_11=dict(options={"backbone.out_indices": (11,), "features": 512}),
    lite0=dict(config="effnet_lite0_probe"),
    crop_150=dict(options={"preprocessing.crop": (150 / 224, 150 / 224)}),
    pixels_160=dict(options={"preprocessing.size": (206, 154)}),  # of a face, in place of 224
    mirror=dict(view="hflip"),
    rotate_left=dict(view="rotate_left"),
    rotate_right=dict(view="rotate_right"),
    zoom=dict(view="zoom"),
)


def cross_entropy(class_weight=None, **more):
    """Return the plain loss, with class weights by one of the rules."""
    return dict(type="WeightedCrossEntropyLoss", class_weight=class_weight, **more)


def head(kind, **options):
    """Return the config of a head that replaces the study's."""
    return {"head": dict(_delete_=True, type=kind, **options)}


def three(age=None, weights=(4.0, 2.0, 1.0), class_weight="inverse"):
    """Return three classifiers; that of age in groups with class weights, or a model of years.

    `weights` are those of the losses of mask, gender and age: with one decay for all, an attribute
    whose loss weighs more is penalised less.
    """
    losses = dict(mask=cross_entropy(), gender=cross_entropy())
    if age is None:
        losses["age"] = cross_entropy(class_weight)
    factors = dict(zip(("mask", "gender", "age"), weights, strict=True))
    return head("DecomposedHead", losses=losses, loss_weights=factors, age=age)


def joint(loss=None):
    """Return one classifier of the 18 classes."""
    return head("MaskLinearHead", loss=loss or cross_entropy())


def arcface(margin=0.2, class_weight=None, **more):
    """Return ArcFace of the 18 classes."""
    loss = cross_entropy(class_weight)
    return head("MaskArcFaceHead", scale=16.0, margin=margin, loss=loss, **more)


def cosface(margin, scale=16.0, class_weight=None, **more):
    """Return CosFace of the 18 classes."""
    loss = cross_entropy(class_weight)
    return head("MaskCosFaceHead", scale=scale, margin=margin, loss=loss, **more)


def better(name, claim, config=None, **keys):
    """Return a technique that is said to beat its baseline."""
    return dict(name=name, claim=claim, expects="better", config=config or {}, **keys)


def worse(name, claim, config=None, **keys):
    """Return a technique that is said to fall behind its baseline."""
    return dict(name=name, claim=claim, expects="worse", config=config or {}, **keys)


def either(name, claim, config=None, **keys):
    """Return a technique of which nothing is said."""
    return dict(name=name, claim=claim, config=config or {}, **keys)


def probe():
    """Return three classifiers as in configs/face_probe.py, the old weighing more."""
    return dict(name="three, old weigh more", config=three(), training=steep())


def steep():
    """Return the schedule of three classifiers; the decay is a ridge penalty."""
    return dict(lr=0.05, weight_decay=0.5, steps=120)


def flat():
    """Return the schedule of one classifier of the 18 classes."""
    return dict(lr=0.1, weight_decay=0.1)


def adamw():
    """Return the schedule of one classifier with the other optimizer."""
    return dict(optimizer="adamw", lr=0.002, weight_decay=10.0)


def cosines(lr=1.0):
    """Return the schedule of heads on cosines, whose weights are normalised: no decay."""
    return dict(lr=lr, weight_decay=0.0)


def focal(gamma, class_weight=None):
    """Return the focal loss."""
    return dict(type="SoftmaxFocalLoss", gamma=gamma, class_weight=class_weight)


def mixed():
    """Return 0.4 F1 + 0.6 focal loss."""
    f1 = dict(type="SoftMacroF1Loss")
    losses, loss_weights = dict(f1=f1, focal=focal(2.0)), dict(f1=0.4, focal=0.6)
    return dict(type="LossMix", losses=losses, loss_weights=loss_weights)


def ldam():
    """Return LDAM, class weights from the start."""
    return cosface("adaptive", 30.0, "effective_number", margin_range=(0.0, 0.5))


def symmetric():
    """Return the symmetric cross-entropy."""
    return dict(type="SymmetricCrossEntropyLoss", alpha=0.1, beta=1.0)


def years(kind, *weights):
    """Return three classifiers, that of age a model of years, whose loss has a scale of its own."""
    return three(dict(type=kind), weights)


def dldl():
    """Return three classifiers, that of age a softmax over years with soft labels."""
    return years("LabelDistributionAge", 1.0, 0.4, 1.0)


def mild(lr, decay):
    """Return the schedule of models of years with many outputs."""
    return dict(lr=lr, weight_decay=decay, steps=120)


def by(group):
    """Return a sampler that draws all groups as often."""
    return dict(sampler=dict(type="BalancedSampler", by=group))


def few():
    """Return a sampler that draws as many of each class as of the rarest."""
    return dict(sampler=dict(type="UnderSampler"))


def old(times):
    """Return a sampler that draws the old several times."""
    return dict(sampler=dict(type="MinoritySampler", times=times))


def decided():
    """Return the decision for macro F1 and the calibration that it needs."""
    return dict(calibration="attribute", decision="macro-f1")


def turned():
    """Return the other views of the heavy test-time augmentation."""
    return ["mirror", "rotate_left", "rotate_right", "zoom"]


def mirrored():
    """Return mirrored photos in training, and five views at test."""
    return dict(train_views=["mirror"], test_views=["base", *turned()])


def softmax():
    """Return one classifier of the 18 classes."""
    return dict(name="softmax of 18", config=joint(), training=flat())


groups = [
    dict(
        name="heads",
        baseline=softmax(),
        techniques=[
            better("three", "D: one net, three heads", three(class_weight=None), training=steep()),
            better("three, old weigh more", "the same, ages by n / n_c", three(), training=steep()),
            either("cosines", "ArcFace without a margin", arcface(0.0), training=cosines()),
            better("ArcFace 0.1", "A: ArcFace", arcface(0.1), training=cosines()),
            better("ArcFace 0.2", "A: ArcFace", arcface(0.2), training=cosines()),
            better("ArcFace 0.3", "A: ArcFace", arcface(0.3), training=cosines()),
            better("ArcFace 0.5", "A: ArcFace", arcface(0.5), training=cosines()),
            better("3 centres", "wrong labels apart", arcface(sub_centers=3), training=cosines()),
            better("CosFace 0.15", "a margin on cosines", cosface(0.15), training=cosines()),
        ],
    ),
    dict(
        name="losses, optimizer",
        baseline=softmax(),
        techniques=[
            better("focal, gamma 1", "B: focal loss", joint(focal(1.0))),
            better("focal, gamma 2", "B: focal loss", joint(focal(2.0))),
            better("focal, gamma 5", "B: focal loss", joint(focal(5.0))),
            better("focal, weights", "B: class-weighted", joint(focal(2.0, "one_minus_share"))),
            better("F1", "the score as the loss", joint(dict(type="SoftMacroF1Loss"))),
            better("F1 + focal", "0.4 F1 + 0.6 focal", joint(mixed())),
            better("LDAM", "larger margins for rare classes", ldam(), training=cosines(0.5)),
            better("symmetric", "robust against wrong labels", joint(symmetric())),
            worse("smoothing", "A: dropped", joint(cross_entropy(label_smoothing=0.1))),
            worse("AdamW", "B: SGD is better", training=adamw()),
        ],
    ),
    dict(
        name="class weights, softmax",
        baseline=softmax(),
        techniques=[
            better("1 - share", "B: class weights", joint(cross_entropy("one_minus_share"))),
            better("inverse", "n / n_c", joint(cross_entropy("inverse"))),
            better("effective number", "between", joint(cross_entropy("effective_number"))),
        ],
    ),
    dict(
        name="class weights, ArcFace",
        baseline=dict(name="ArcFace 0.2", config=arcface(), training=cosines()),
        techniques=[
            better("1 - share", "A: class weights", arcface(class_weight="one_minus_share")),
            better("inverse", "n / n_c", arcface(class_weight="inverse")),
            better("effective number", "between", arcface(class_weight="effective_number")),
        ],
    ),
    dict(
        name="age",
        baseline=probe(),
        techniques=[
            either("no weights", "all ages alike", three(class_weight=None)),
            better("DLDL", "soft labels of years", dldl(), training=mild(0.2, 0.05)),
            better("CORAL", "ordered, one score", years("CoralAge", 4.0, 2.0, 0.25)),
            better("CORN", "ordered", years("CornAge", 1.0, 0.4, 10.0), training=mild(0.05, 0.03)),
            better("regression", "D: a number", years("RegressionAge", 4.0, 2.0, 2.5)),
        ],
    ),
    dict(
        name="training labels",
        baseline=probe(),
        techniques=[
            better("old from 57", "age cut", {"data.old_from": 57}),
            better("old from 58", "B: age cut 58", {"data.old_from": 58}),
            better("old from 59", "age cut", {"data.old_from": 59}),
            better("without 55 to 59", "ages near a cut", {"data.drop_ages": (55, 59)}),
            better("without 57 to 59", "ages near a cut", {"data.drop_ages": (57, 59)}),
            better("without 28 to 31", "ages near a cut", {"data.drop_ages": (28, 31)}),
            better("corrected", "labels found wrong by other people's heads", corrections="found"),
            better("pseudo-labels", "all photos of eval/", pseudo_labels=0.0),
            better("sure pseudo-labels", "those of 0.9 and above", pseudo_labels=0.9),
        ],
    ),
    dict(
        name="sampling",
        baseline=dict(name="three", config=three(class_weight=None), training=steep()),
        techniques=[
            worse("balanced classes", "A: a big drop", **by("class")),
            better("balanced ages", "all as often", **by("age")),
            better("undersampled", "C: common classes cut down", **few()),
            better("old twice", "D: the old repeated", **old(2)),
            worse("old five times", "D: overfits", **old(5)),
        ],
    ),
    dict(
        name="decision",
        baseline=probe(),
        techniques=[
            either("temperature", "calibrated by one number", calibration="temperature"),
            better("calibrated", "per attribute", calibration="attribute"),
            better("decided for macro F1", "calibrated, then the best expected F1", **decided()),
        ],
    ),
    dict(
        name="features",
        baseline=probe(),
        techniques=[
            either("layer 9", "of 13; the baseline has 9 and 13", features=["layer_9"]),
            either("layer 11", "alone", features=["layer_11"]),
            worse("layer 13", "blind to masks", features=["layer_13"]),
            better("layers 9, 11, 13", "one more", features=["base", "layer_11"]),
            worse("ImageNet's lite0", "faces teach more", features=["lite0"]),
            better("lite0 beside it", "E: several networks", features=["base", "lite0"]),
            better("mirrored photos", "twice the photos", train_views=["mirror"]),
            better("flip TTA", "A: +.04", test_views=["base", "mirror"]),
            either("heavy TTA", "five views", test_views=["base", *turned()]),
            better("centre crop", "B: 150 pixels of 224", features=["crop_150"]),
            worse("160 pixels", "photos of 160 in place of 224", features=["pixels_160"]),
        ],
    ),
    dict(
        name="more views",
        baseline=dict(probe(), name="flip TTA", test_views=["base", "mirror"]),
        techniques=[worse("five views", "A: heavier TTA hurts", test_views=["base", *turned()])],
    ),
    dict(
        name="together",
        baseline=probe(),
        techniques=[
            better("mirrored, five views", "", **mirrored()),
            better("and decided for macro F1", "", **mirrored(), **decided()),
        ],
    ),
    dict(
        name="learning curves",
        baseline=probe(),
        techniques=[
            worse("12.5 % of the people", "", people=0.125),
            worse("25 % of the people", "", people=0.25),
            worse("50 % of the people", "", people=0.5),
            worse("75 % of the people", "", people=0.75),
            worse("2.5 % wrong labels", "a wrong gender or age group", label_noise=0.025),
            worse("5 % wrong labels", "a wrong gender or age group", label_noise=0.05),
            worse("10 % wrong labels", "a wrong gender or age group", label_noise=0.1),
        ],
    ),
]
