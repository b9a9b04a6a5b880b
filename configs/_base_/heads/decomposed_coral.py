# Three classifiers, that of age CORAL: one score against thresholds over years.

_base_ = ["decomposed_shared.py"]

head = dict(
    age=dict(
        type="CoralAge",
        years=(18, 60),  # the competition's ages; others count as the nearer of the two
        step=1,  # years between thresholds
    ),
    # The loss of age is a sum over 42 thresholds, several nats.
    loss_weights=dict(age=0.05),
)
