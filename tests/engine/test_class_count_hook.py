from tiny_engine import tiny_config, train

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.hooks.class_count_hook import class_counts
from mmmask.engine.reach import model_and_copies


def test_the_head_and_its_averaged_copy_get_the_counts_of_the_training_split(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=1))
    counts = class_counts(runner.train_dataloader.dataset)
    assert counts.sum() == 40
    assert [model.head.counted for model in model_and_copies(runner)] == [True, True]
    content = load_checkpoint_file(tmp_path / "epoch_1.pth")
    assert content["state_dict"]["head.class_counts"].equal(counts)
    assert content["ema_state_dict"]["module.head.class_counts"].equal(counts)


def test_a_validation_alone_sets_nothing(tmp_path):
    from mmengine.runner import Runner

    runner = Runner.from_cfg(tiny_config(tmp_path))
    runner.val()
    assert runner.model.head.class_counts.sum() == 0
