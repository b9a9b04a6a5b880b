# Adam (Kingma and Ba, 2015), its rate lowered when macro F1 stops to rise, as source E used it.
# It needs a validation after each epoch: train on everybody with another schedule.

_base_ = ["adamw_cosine.py"]

optim_wrapper = dict(optimizer=dict(_delete_=True, type="Adam", lr=3e-4, weight_decay=0.0))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, end=0.5, by_epoch=True, convert_to_iter_based=True),
    dict(
        type="ReduceOnPlateauLR",
        monitor="macro_f1",
        rule="greater",
        factor=0.3,
        patience=1,  # validations without improvement that are let pass
        threshold=0.002,  # what counts as an improvement
        threshold_rule="abs",
        by_epoch=True,
    ),
]
