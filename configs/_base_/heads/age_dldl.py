# Age alone: a softmax over years with Gaussian soft labels (DLDL).

head = dict(
    type="AgeHead",
    dropout=0.2,
    age=dict(
        type="LabelDistributionAge",  # or CoralAge, CornAge, RegressionAge
        sigma=3.0,  # years
        years=(10, 90),  # beyond 60: half of the soft label of a person of 60 is above
    ),
)
