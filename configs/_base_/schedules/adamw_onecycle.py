# AdamW with one cycle of the rate (Smith and Topin, 2018): up for 30 % of the steps, then down.

_base_ = ["adamw_cosine.py"]

optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(
        type="OneCycleLR",
        eta_max=1e-3,  # the rate at the top; `lr` of the optimizer is not used
        pct_start=0.3,
        div_factor=25.0,  # eta_max / the first rate
        final_div_factor=1e4,  # the first rate / the last
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
