"""Import this module to register all of mmmask with MMPretrain: see ``custom_imports``."""

import warnings

# mmcv-lite says at import that it lacks compiled operators; none of ours needs one.
warnings.filterwarnings("ignore", message="Fail to import", category=UserWarning)

import mmmask.datasets.batching
import mmmask.datasets.mask_faces
import mmmask.datasets.sampler
import mmmask.datasets.transforms
import mmmask.engine.checkpoints
import mmmask.engine.hooks.batch_norm_sync_hook
import mmmask.engine.hooks.channels_last_hook
import mmmask.engine.hooks.checkpoint_hook
import mmmask.engine.hooks.class_count_hook
import mmmask.engine.hooks.early_stopping_hook
import mmmask.engine.hooks.epoch_seed_hook
import mmmask.engine.hooks.freezing_hook
import mmmask.engine.hooks.margin_warmup_hook
import mmmask.engine.hooks.person_split_hook
import mmmask.engine.hooks.preprocessing_hook
import mmmask.engine.hooks.progress_hook
import mmmask.engine.hooks.temperature_hook
import mmmask.engine.optim.layerwise
import mmmask.engine.optim.sam
import mmmask.engine.precision
import mmmask.engine.runner
import mmmask.engine.tracking
import mmmask.evaluation.metric
import mmmask.evaluation.tta
import mmmask.models.backbones.timm_backbone
import mmmask.models.heads.arcface
import mmmask.models.heads.decomposed
import mmmask.models.heads.linear
import mmmask.models.losses.cross_entropy
import mmmask.models.losses.focal
import mmmask.models.preprocessor
