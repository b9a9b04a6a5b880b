"""Does it help to crop each photo to its face, found beforehand?

    python tools/detect_faces.py data --out data/boxes.parquet
    python tools/train.py configs/mobilenet_v2_arcface_facecrop.py

Cost: that of `mobilenet_v2_arcface.py`, and finding the faces once. Score: not measured.
"""

_base_ = ["mobilenet_v2_arcface.py"]

preprocessing = dict(
    faces=dict(
        boxes="data/boxes.parquet",
        margin=0.3,  # of the box, added on each side
        fallback="center",  # where no face was found: the largest central window
    ),
)
