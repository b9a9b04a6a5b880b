# MobileNetV1 (Howard et al., 2017), trained on faces (VGGFace2) for identity, age and gender by
# HSE_FaceRec_tf (Savchenko, 2019). docs/recipes.md says where the file of weights comes from.

backbone = dict(type="FoldedMobileNetV1")
neck = dict(type="GlobalAveragePooling")
features = 1024
pretrained = "weights/faceres_deep_mobilenetv1.pth"
preprocessing = dict(
    crop=(1.0, 1.0),  # the whole photo
    size=(224, 224),  # (height, width) in pixels
    mean=(123.68, 116.779, 103.939),  # RGB
    std=(1.0, 1.0, 1.0),  # not ImageNet's: these weights expect pixels of 0 to 255, less the mean
)
