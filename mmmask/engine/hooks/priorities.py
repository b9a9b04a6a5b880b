"""In which order hooks act at one point of a run: ours between MMEngine's, the smallest first.

What a checkpoint stores must be up to date when it is written, and what is shown must be final.
"""

EPOCH_SEED = 0  # before any hook can draw a random number
CHECKPOINT_FACTS = 5  # before any hook takes over what a checkpoint holds
# 10 RuntimeInfoHook
FREEZING = 20  # before the model is wrapped again
MODEL_LAYOUT = 30  # before EMAHook copies the model
COMPILE = 35  # the layout that it compiles for must be final
SPLIT_CHECK = 30
HEAD_SETTING = 40
# 50 EMAHook (swaps the averaged weights in before, and out after a validation), IterTimerHook
BATCH_NORM = 50
FINITE = 55  # after weights are averaged, before anything is logged or written
# 60 LoggerHook
TEMPERATURE = 65
# 70 ParamSchedulerHook
EARLY_STOPPING = 80
CHECKPOINT = 90
RUN_CARD = 95  # it states no more than is on disk
PROGRESS = 100
