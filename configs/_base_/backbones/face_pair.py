# MobileNetV1 as in face_mobilenet_v1.py, and MobileFaceNet (Chen et al., 2018), trained to tell
# people apart, side by side. docs/recipes.md says where the file of weights comes from.

backbone = dict(
    type="SideBySide",
    networks=dict(
        mobile_facenet=dict(
            backbone=dict(type="MobileFaceNet"),
            # The face, as portraits of 4:3 show it, and where it is higher or lower: the network
            # wants the eyes at one place.
            window=(0.19, 0.88, 0.04, 0.96),
            shifts=(-0.125, -0.085, -0.04, 0.0, 0.04, 0.085, 0.125),
            size=(112, 112),
            mean=(127.0, 127.0, 127.0),
            std=(128.0, 128.0, 128.0),
        ),
        mobilenet_v1=dict(
            backbone=dict(type="FoldedMobileNetV1", out_indices=(9, 13)),
            mean=(123.68, 116.779, 103.939),
            std=(1.0, 1.0, 1.0),
        ),
    ),
)
neck = dict(type="PooledLayers")
features = 512 + 512 + 1024
pretrained = "weights/face_pair.pth"
preprocessing = dict(
    crop=(1.0, 1.0),  # the whole photo
    size=(288, 216),  # (height, width) in pixels
    mean=(0.0, 0.0, 0.0),  # each network subtracts its own
    std=(1.0, 1.0, 1.0),
)
