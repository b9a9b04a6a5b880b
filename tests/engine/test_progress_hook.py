import io
import re

import pytest
import test_checkpoint_hook  # noqa: F401 - registers TrendHook
import torch
from rich.console import Console
from tiny_engine import tiny_config, train, without_validation

from mmmask.engine import stage_display as console
from mmmask.engine.hooks.progress_hook import LossMean, ProgressHook


def with_progress(tmp_path, **changes):
    config = tiny_config(tmp_path, **changes)
    config.custom_hooks = [*config.custom_hooks, {"type": "ProgressHook"}]
    return config


def lines(capsys) -> list[str]:
    return [
        line for line in capsys.readouterr().out.splitlines() if re.match("epoch|vali|te", line)
    ]


def test_without_a_terminal_each_epoch_ends_in_one_line(tmp_path, capsys):
    runner = train(with_progress(tmp_path, epochs=3))
    shown = lines(capsys)
    assert len(shown) == 3
    scores = runner.message_hub.get_scalar("val/macro_f1").data[0]
    losses = runner.message_hub.get_scalar("train/loss").data[0]
    nlls = runner.message_hub.get_scalar("val/nll").data[0]
    for epoch, line in enumerate(shown):
        assert re.fullmatch(
            rf"epoch {epoch + 1}/3  train loss {losses[5 * epoch :][:5].mean():.3f}  "
            rf"val loss {nlls[epoch]:.3f}  macro F1 {scores[epoch]:.3f} "
            rf"\(best {scores[: epoch + 1].max():.3f}\)  "
            r"\d+ photos/s  elapsed 0:00:\d\d  ETA 0:00:\d\d",
            line,
        )


def test_without_a_terminal_steps_are_shown_as_lines_after_a_pause(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "PLAIN_PAUSE", 0)
    train(with_progress(tmp_path, epochs=2))
    shown = lines(capsys)
    assert len(shown) == 2 * (5 + 3 + 1)
    assert re.fullmatch(
        r"epoch 1/2  3/5  loss \d\.\d{3}  lr 1\.\de-02  \d+ photos/s  ETA 0:00:\d\d", shown[2]
    )
    assert shown[6] == "validation  2/3  "
    assert "macro F1" in shown[9]


def test_a_run_without_validation_shows_no_score(tmp_path, capsys):
    train(without_validation(with_progress(tmp_path, epochs=2)))
    shown = lines(capsys)
    assert [line[:9] for line in shown] == ["epoch 1/2", "epoch 2/2"]
    assert not any("F1" in line or "val" in line for line in shown)


def test_a_score_that_is_not_a_number_is_not_the_best(tmp_path, capsys):
    config = with_progress(tmp_path)
    others = [hook for hook in config.custom_hooks if "Stopping" not in hook.type]
    config.custom_hooks = [*others, {"type": "TrendHook", "trend": "undefined first"}]
    train(config)
    best = [re.search(r"best (\S+)\)", line)[1] for line in lines(capsys)]
    assert best == ["nan", "0.000", "0.400", "0.400"]


def test_a_resumed_run_knows_the_best_score_before(tmp_path, capsys):
    config = with_progress(tmp_path, epochs=3)
    train(config, kill={"point": "inside the epoch", "epoch": 3})
    best = [re.search(r"best (\S+)\)", line)[1] for line in lines(capsys)][-1]
    train(config, resume=True)
    (line,) = lines(capsys)
    assert line.startswith("epoch 3/3")
    assert float(re.search(r"best (\S+)\)", line)[1]) >= float(best)


def test_a_test_shows_its_steps_and_its_scores(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "PLAIN_PAUSE", 0)
    config = with_progress(tmp_path)
    config.test_dataloader, config.test_cfg = config.val_dataloader, {}
    config.test_evaluator = config.val_evaluator
    from mmengine.runner import Runner

    Runner.from_cfg(config).test()
    *steps, scores = lines(capsys)
    assert steps == [f"test  {step}/3  " for step in (1, 2, 3)]
    assert re.match(r"test  macro_f1 0\.\d{3}  nll", scores)


def test_in_a_terminal_bars_come_and_go_and_the_summaries_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(console, "TERMINAL_PAUSE", 0)
    screen = io.StringIO()
    hook = ProgressHook()
    hook.console = Console(file=screen, force_terminal=True, width=160)
    train(tiny_config(tmp_path, epochs=2), hooks=[hook])
    text = screen.getvalue()
    for part in ("━", "5/5", "photos/s", "ETA", "validation"):
        assert part in text
    assert text.count("train loss") == 2
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 4  # the cursor is back


def test_the_loss_is_read_only_when_it_is_shown(tmp_path, monkeypatch):
    looks = []
    look = LossMean.look
    monkeypatch.setattr(LossMean, "look", lambda self: looks.append(1) or look(self))
    train(with_progress(tmp_path, epochs=2))
    assert len(looks) == 2  # the summaries


def test_the_mean_loss_is_over_the_steps_since_the_last_look_and_over_all():
    mean = LossMean()
    for loss in (1.0, 2.0):
        mean.add(torch.tensor(loss))
    assert mean.look() == (1.5, 1.5)
    mean.add(torch.tensor(6.0))
    assert mean.look() == (6.0, 3.0)
    assert mean.look() == (0.0, 3.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (7265, "2:01:05")]
)
def test_a_clock_shows_hours_minutes_and_seconds(seconds, text):
    assert console.clock(seconds) == text
