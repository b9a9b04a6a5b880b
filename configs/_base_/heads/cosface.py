# CosFace (Wang et al., 2018): an additive margin on the cosine, warmed up from 0.

head = dict(
    type="MaskCosFaceHead",
    scale=16.0,  # of the cosines; the paper's 64 is for thousands of identities
    margin=0.15,  # of the cosine; the paper's 0.35 is for thousands of identities
    sub_centers=1,
    dropout=0.2,
    loss=dict(type="WeightedCrossEntropyLoss", class_weight=None),
)
