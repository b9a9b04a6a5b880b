# LDAM (Cao et al., 2019): on the cosine, a margin of max_margin * (n_c / n_rarest) ^ -1/4.

head = dict(
    type="MaskCosFaceHead",
    scale=30.0,  # of the cosines
    margin="adaptive",
    margin_range=(0.0, 0.5),  # of the cosine; the rarest class has the upper end
    margin_power=0.25,
    dropout=0.2,
    # Used from the epoch that DeferredReweightingHook names, or from the start without the hook.
    loss=dict(type="WeightedCrossEntropyLoss", class_weight="effective_number"),
)
