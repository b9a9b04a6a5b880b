# What every run shares: reproducible, resumable, and telling what it does.

default_scope = "mmpretrain"
custom_imports = dict(imports=["mmmask.register"], allow_failed_imports=False)
runner_type = "ConsoleRunner"

randomness = dict(seed=0, deterministic=False)
tta = dict(enabled=False, views=["identity", "hflip"])

default_hooks = dict(
    runtime_info=dict(type="DeferredInfoHook"),
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    progress=dict(type="ProgressHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    epoch_seed=dict(type="EpochSeedHook"),
    param_scheduler=dict(type="ParamSchedulerHook"),
    channels_last=dict(type="ChannelsLastHook"),
    batch_norm_sync=dict(type="BatchNormSyncHook"),
    finite=dict(type="FiniteHook"),  # ends a run that diverges
    person_split=dict(type="PersonSplitHook"),
    class_counts=dict(type="ClassCountHook"),
    margin_warmup=dict(type="MarginWarmupHook", begin=0.0, end=2.0),  # epochs
    temperature=dict(type="TemperatureHook"),
    preprocessing=dict(type="CheckpointFactsHook"),
    run_card=dict(type="RunCardHook"),
    checkpoint=dict(
        type="ResumableCheckpointHook",
        save_best="macro_f1",
        rule="greater",
        max_keep_ckpts=1,
    ),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
log_level = "INFO"
load_from = None
resume = False
