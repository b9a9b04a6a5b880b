# ArcFace (Deng et al., 2019): an additive angular margin, warmed up from 0.

head = dict(
    type="MaskArcFaceHead",
    scale=16.0,  # of the cosines; the paper's 64 is for thousands of identities
    margin=0.2,  # radians; the paper's 0.5 is for thousands of identities
    sub_centers=1,
    dropout=0.2,
    loss=dict(type="WeightedCrossEntropyLoss", class_weight=None),
)
