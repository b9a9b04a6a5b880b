import numpy as np
import pandas as pd
from PIL import Image

from mmmask.reports.prediction_pictures import RIGHT, WRONG, plot_faces


def test_photos_fill_the_sheet_however_long_the_words_below_them(tmp_path) -> None:
    Image.new("RGB", (30, 40), "white").save(tmp_path / "a.png")
    table = pd.DataFrame(np.full((9, 18), 0.02), columns=[f"p{k:02d}" for k in range(18)])
    table["p10"] = 0.66  # the longest words: worn wrongly, female, 30-59
    table = table.assign(image="a.png", label=[7] * 8 + [10], age=59.0)
    plot_faces(table, tmp_path, tmp_path / "sheet.png", rows=2)

    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    right, wrong = (
        np.abs(sheet - [int(colour[k : k + 2], 16) for k in (1, 3, 5)]).max(axis=2) < 8
        for colour in (RIGHT, WRONG)
    )
    tall, wide = sheet.shape[:2]
    framed = (right | wrong)[: tall // 2].sum(axis=0)  # of the upper row
    sides = np.flatnonzero(framed > 0.6 * tall / 2)  # of frames
    assert sides.min() < 0.02 * wide
    assert sides.max() > 0.98 * wide
