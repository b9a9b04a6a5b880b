# Three classifiers, that of age CORN: thresholds asked of those who passed the one before.

_base_ = ["decomposed_shared.py"]

head = dict(
    age=dict(
        type="CornAge",
        years=(18, 60),  # the competition's ages; others count as the nearer of the two
        step=1,  # years between thresholds
    ),
    # The loss of age is a mean over questions; each photo is asked about 20 of them.
    loss_weights=dict(age=10.0),
)
