"""Import this module to register all of mmmask with MMPretrain: see ``custom_imports``."""

import os
import warnings

# MMPretrain imports Albumentations where it is installed, which then asks the network for news.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# mmcv-lite says at import that it lacks compiled operators; none of ours needs one.
warnings.filterwarnings("ignore", message="Fail to import", category=UserWarning)

import mmmask.datasets.augmentations.mouth_cutout
import mmmask.datasets.augmentations.repeated_only
import mmmask.datasets.augmentations.seeded_albumentations
import mmmask.datasets.batching
import mmmask.datasets.crop_face
import mmmask.datasets.imbalance
import mmmask.datasets.mask_faces
import mmmask.datasets.sampler
import mmmask.datasets.transforms
import mmmask.datasets.unlabelled
import mmmask.engine.checkpoints
import mmmask.engine.hooks.batch_norm_sync_hook
import mmmask.engine.hooks.checkpoint_facts_hook
import mmmask.engine.hooks.checkpoint_hook
import mmmask.engine.hooks.deferred_info_hook
import mmmask.engine.hooks.early_stopping_hook
import mmmask.engine.hooks.epoch_seed_hook
import mmmask.engine.hooks.finite_hook
import mmmask.engine.hooks.freezing_hook
import mmmask.engine.hooks.head_hooks
import mmmask.engine.hooks.layout_hooks
import mmmask.engine.hooks.person_split_hook
import mmmask.engine.hooks.progress_hook
import mmmask.engine.hooks.run_card_hook
import mmmask.engine.hooks.without_truth_hooks
import mmmask.engine.linear_probe_loop
import mmmask.engine.optim.layerwise
import mmmask.engine.optim.sam
import mmmask.engine.optim.wrappers
import mmmask.engine.runner
import mmmask.engine.semi_loop
import mmmask.engine.tracking
import mmmask.evaluation.metric
import mmmask.models.ages.dldl
import mmmask.models.ages.ordinal
import mmmask.models.ages.regression
import mmmask.models.averaging
import mmmask.models.backbones.mobile_facenet
import mmmask.models.backbones.mobilenet_v1
import mmmask.models.backbones.side_by_side
import mmmask.models.backbones.timm_backbone
import mmmask.models.batch_augments.half_face_cutmix
import mmmask.models.consistency.classifier
import mmmask.models.consistency.losses
import mmmask.models.heads.arcface
import mmmask.models.heads.attribute
import mmmask.models.heads.cosface
import mmmask.models.heads.decomposed
import mmmask.models.heads.linear
import mmmask.models.hidden_layer
import mmmask.models.losses.cross_entropy
import mmmask.models.losses.f1
import mmmask.models.losses.focal
import mmmask.models.losses.ldam
import mmmask.models.losses.mix
import mmmask.models.losses.symmetric
import mmmask.models.pooled_layers
import mmmask.models.preprocessor
import mmmask.models.tta
