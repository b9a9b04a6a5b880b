# Photos and what is known of them, split by person.

# Often changed.
data = dict(
    data_root=None,  # holds train/ and eval/; None: data/, or the folder of the table
    table=None,  # photos of your own: a table (.csv, .parquet), or a list of dict(table=, weight=)
    eval_table=None,  # table of photos to predict; None: those of eval/info.csv
    folds=5,  # 1 / folds of the people are held out
    fold=0,  # which fold is held out
    split_seed=0,  # how people are dealt into folds
    corrections=None,  # csv of label corrections
    pack=None,  # file of photos packed by tools/pack.py: faster epochs, the same numbers
    # Training only; validation always scores with the competition's cut at 60.
    old_from=60,  # first age, in years, labelled as old; models of years learn the years
    drop_ages=None,  # (first, last) age left out, e.g. (55, 59)
    drop=None,  # csv of photos left out, as tools/data_stats.py lists them
    samples=[],  # tables of further samples
    teacher=None,  # predictions to learn from, by teacher_share=0.7 beside the labels
)
augmentations = [dict(type="RandomFlip", prob=0.5, direction="horizontal")]
device_augment = None  # of a batch, on the device, e.g. dict(rotate=30, scale=(0.9, 1.1))
batch_augments = None  # e.g. dict(_delete_=True, augments=[dict(type='CutMix', alpha=1.0)])

train_dataloader = dict(
    batch_size=32,  # photos a process
    num_workers=4,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="stack_photos"),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="stack_photos"),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="stack_photos"),
)
# MMPretrain's --auto-scale-lr: the rate is made for the batch size that the config file states.
auto_scale_lr = dict(enable=False)
val_evaluator = dict(type="MaskFaceMetric")
test_evaluator = dict(type="MaskFaceMetric")
