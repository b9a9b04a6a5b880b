"""The range of each number in a config that no constructor checks by itself.

The options of the heads, losses, augmentations and so on are checked by their own constructors.
"""

from types import MappingProxyType

from mmmask.engine.config_check.value_kinds import Numbers
from mmmask.labels import MIDDLE_FROM, OLDEST

_COUNT = Numbers(1, whole=True)
_FROM_ZERO = Numbers(0, whole=True)
_POSITIVE = Numbers(0, above=True)
_SHARE = Numbers(0, 1, many=True)
_PIXEL = Numbers(0, 255, many=True)
_RATE = Numbers(0, 1, below=True)
#: Of PyTorch's, numpy's and Python's generators, which one number seeds.
_SEED = Numbers(0, 2**32 - 1, whole=True, also=(None,))

#: ``owner.option`` -> its range. The owner is a class, a registry of MMEngine that holds it, or the
#: name of a dict without a type.
RANGES = MappingProxyType(
    {
        "MaskFaceDataset.folds": Numbers(2, whole=True),
        "MaskFaceDataset.fold": _FROM_ZERO,
        "MaskFaceDataset.split_seed": _FROM_ZERO,
        "MaskFaceDataset.old_from": Numbers(MIDDLE_FROM + 1, OLDEST, whole=True),
        "MaskFaceDataset.drop_ages": Numbers(
            0, OLDEST, whole=True, count=2, rising=True, also=(None,)
        ),
        "MaskFaceDataset.teacher_share": Numbers(0, 1, also=(None,)),
        "config.features": _COUNT,
        "semi.ratio": _COUNT,
        "semi.num_workers": _FROM_ZERO,
        "DataLoader.batch_size": _COUNT,
        "DataLoader.num_workers": _FROM_ZERO,
        "DataLoader.num_batch_per_epoch": Numbers(1, whole=True, also=(None,)),
        "DataLoader.prefetch_factor": Numbers(1, whole=True, also=(None,)),
        "DataLoader.timeout": Numbers(0),
        "LOOPS.max_epochs": _COUNT,
        "LOOPS.max_iters": _COUNT,
        "LOOPS.val_begin": _FROM_ZERO,
        "LOOPS.val_interval": _COUNT,
        "OPTIMIZERS.lr": Numbers(0),
        "OPTIMIZERS.weight_decay": Numbers(0),
        "OPTIMIZERS.momentum": _RATE,
        "OPTIMIZERS.betas": Numbers(0, 1, below=True, many=True),
        "OPTIMIZERS.eps": Numbers(0),
        "OPTIM_WRAPPERS.accumulative_counts": _COUNT,
        "clip_grad.max_norm": _POSITIVE,
        "clip_grad.clip_value": _POSITIVE,
        "paramwise_cfg.first_layer_lr_mult": Numbers(0, 1, above=True),
        "PARAM_SCHEDULERS.begin": Numbers(0),
        "PARAM_SCHEDULERS.end": _POSITIVE,
        "PARAM_SCHEDULERS.eta_max": _POSITIVE,
        "PARAM_SCHEDULERS.eta_min": Numbers(0, also=(None,)),
        "PARAM_SCHEDULERS.eta_min_ratio": Numbers(0, 1, also=(None,)),
        "PARAM_SCHEDULERS.T_max": Numbers(0, above=True, also=(None,)),
        "randomness.seed": _SEED,
        "auto_scale_lr.base_batch_size": _COUNT,
        "mp_cfg.opencv_num_threads": _FROM_ZERO,
        "env_cfg.resource_limit": _COUNT,
        "LOG_PROCESSORS.window_size": _COUNT,
        "LOG_PROCESSORS.num_digits": _FROM_ZERO,
        "TRANSFORMS.pad_val": _PIXEL,
        "TRANSFORMS.fill_color": _PIXEL,
        "hparams.pad_val": _PIXEL,
        "RandAugment.num_policies": _COUNT,
        "TRANSFORMS.prob": _SHARE,
        "TRANSFORMS.flip_prob": _SHARE,
        "TRANSFORMS.magnitude_std": Numbers(0, also=("inf",)),
        "MODELS.drop_path_rate": _RATE,
        "MODELS.drop_rate": _RATE,
        "MODELS.in_channels": Numbers(1, whole=True, many=True),
        "EMAHook.begin_epoch": _FROM_ZERO,
        "EMAHook.begin_iter": _FROM_ZERO,
        "MODELS.interval": _COUNT,
    }
)
