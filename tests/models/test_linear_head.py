import torch

from mmmask.models.heads.linear import MaskLinearHead


def test_the_logits_are_one_linear_layer_on_the_last_feature():
    torch.manual_seed(0)
    head = MaskLinearHead(6, dropout=0.4).eval()
    feature = torch.randn(4, 6)
    expected = feature @ head.fc.weight.T + head.fc.bias
    torch.testing.assert_close(head((torch.randn(4, 99), feature)), expected)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    head = MaskLinearHead(6, dropout=0.4)
    feature = (torch.randn(4, 6),)
    assert not torch.equal(head(feature), head(feature))
    head.eval()
    assert torch.equal(head(feature), head(feature))


def test_the_final_relu_cuts_negative_logits():
    torch.manual_seed(0)
    plain, cut = MaskLinearHead(6), MaskLinearHead(6, final_relu=True)
    cut.load_state_dict(plain.state_dict())
    feature = (torch.randn(4, 6),)
    assert torch.equal(cut(feature), plain(feature).clamp_min(0))


def test_the_default_start_is_mmpretrains_small_normal():
    torch.manual_seed(0)
    head = MaskLinearHead(1280)
    head.init_weights()
    torch.testing.assert_close(head.fc.weight.std(), torch.tensor(0.01), rtol=0.05, atol=0)
    assert (head.fc.bias == 0).all()


def test_a_config_can_ask_for_pytorchs_kaiming_uniform_start():
    init = {"type": "Kaiming", "layer": "Linear", "distribution": "uniform", "mode": "fan_in"}
    head = MaskLinearHead(1280, init_cfg=init)
    torch.manual_seed(0)
    head.init_weights()
    torch.manual_seed(0)
    expected = torch.nn.init.kaiming_uniform_(torch.empty(18, 1280))
    assert torch.equal(head.fc.weight, expected)
