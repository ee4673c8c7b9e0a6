"""The papers' numbers: sums of the printed rows, taken from the papers and not from the file."""

from __future__ import annotations

import pytest

from zsris_viz.errors import InvalidInputError
from zsris_viz.papers.published import COLUMNS, published

# (method, encoder, proposals) -> sum over the nine columns, oIoU and mIoU.
GLOBAL_LOCAL_1 = {
    ("LAVT", "", ""): (586.79, None),
    ("Grad-CAM", "ResNet-50", "FreeSOLO"): (124.23, 126.71),
    ("Score map", "ResNet-50", "FreeSOLO"): (177.36, 190.06),
    ("Region token", "ViT-B/32", "FreeSOLO"): (207.82, 225.24),
    ("Cropping", "ResNet-50", "FreeSOLO"): (218.32, 240.20),
    ("Cropping", "ViT-B/32", "FreeSOLO"): (221.26, 243.86),
    ("Global-Local CLIP", "ResNet-50", "FreeSOLO"): (237.75, 259.72),
    ("Global-Local CLIP", "ViT-B/32", "FreeSOLO"): (242.80, 259.78),
    ("upper bound", "", "FreeSOLO"): (402.87, 448.93),
    ("TSEG", "ViT-S/16", ""): (None, 71.98),
}
GLOBAL_LOCAL_2 = {
    "Grad-CAM": 57.70,
    "Score map": 77.58,
    "Region token": 113.91,
    "Cropping": 125.81,
    "Global-Local CLIP": 130.65,
}
GLOBAL_LOCAL_3 = {"Global": 82.00, "Local": 83.40, "Global-Local": 89.23}
TAS_1 = {
    ("Text-only", "", "SAM"): (195.13, 273.39),
    ("CLIP Surgery", "ResNet-50", "SAM"): (173.24, 242.01),
    ("Score Map", "ResNet-50", "SAM"): (201.25, 255.28),
    ("GradCAM", "ResNet-50", "SAM"): (218.14, 280.00),
    ("Global-Local", "ResNet-50", "FreeSOLO"): (237.75, 259.72),
    ("Global-Local", "ResNet-50", "SAM"): (222.38, 339.95),
    ("CLIP-only", "ResNet-50", "SAM"): (260.60, 356.74),
    ("TAS", "ResNet-50", "SAM"): (304.73, 393.40),
    ("Region Token", "ViT-B/32", "SAM"): (108.23, 158.80),
    ("Global-Local", "ViT-B/32", "FreeSOLO"): (242.80, 259.78),
    ("Global-Local", "ViT-B/32", "SAM"): (231.40, 337.73),
    ("CLIP-only", "ViT-B/32", "SAM"): (255.60, 347.26),
    ("TAS", "ViT-B/32", "SAM"): (296.38, 387.93),
    ("TSEG", "ViT-S/16", ""): (None, 71.98),
}
TAS_3 = {  # rows of the weight that varies: oIoU + mIoU
    "alpha=0; lambda=0.7": 65.30,
    "alpha=0.05; lambda=0.7": 68.10,
    "alpha=0.1; lambda=0.7": 69.37 * 2,  # the row is printed in both halves
    "alpha=0.2; lambda=0.7": 68.30,
    "alpha=0.4; lambda=0.7": 63.32,
    "alpha=0.1; lambda=0": 66.00,
    "alpha=0.1; lambda=0.3": 68.18,
    "alpha=0.1; lambda=0.5": 69.20,
    "alpha=0.1; lambda=0.9": 68.14,
}
TAS_4 = [56.02, 61.38, 64.14, 69.37]
TAS_5 = {("crop", "crop"): 67.95, ("blur", "blur"): 65.02, ("crop", "blur"): 64.50, ("blur", "crop"): 69.37}
TAS_6 = {
    ("none", "ResNet-50"): 157.06,
    ("none", "ViT-B/32"): 154.75,
    ("BLIP-2", "ResNet-50"): 175.71,
    ("BLIP-2", "ViT-B/32"): 170.36,
    ("GIT-base", "ResNet-50"): 172.87,
    ("GIT-base", "ViT-B/32"): 167.52,
}
TAS_7 = {
    "CLIP": 150.79,
    "CLIP-TAS": 170.36,
    "BLIP-2-ITC": 170.43,
    "BLIP-2-TAS": 186.42,
    "Albef-ITC": 44.82,
    "Albef-TAS": 123.47,
}
# Cells read off the papers once more, so that numbers in swapped columns show: sums would not change.
CELLS = [
    ("global-local", "Grad-CAM", "refcoco", "testB", "unc", "oIoU", 13.49),
    ("global-local", "Cropping", "refcoco+", "testA", "unc", "oIoU", 22.03),
    ("global-local", "Region token", "refcocog", "val", "google", "mIoU", 27.69),
    ("global-local", "TSEG", "refcoco+", "val", "unc", "mIoU", 22.62),
    ("tas", "CLIP Surgery", "refcoco", "testA", "unc", "oIoU", 14.74),
    ("tas", "Text-only", "refcocog", "test", "google", "mIoU", 36.21),
    ("tas", "Region Token", "refcocog", "val", "umd", "mIoU", 16.33),
    ("tas", "GradCAM", "refcoco+", "testA", "unc", "mIoU", 25.66),  # as printed
]


def test_columns_and_tables() -> None:
    frame = published()
    assert tuple(frame.columns) == COLUMNS
    counts = {key: len(part) for key, part in frame.groupby(["paper", "table"])}
    assert counts == {
        ("global-local", "1"): 156,
        ("global-local", "2"): 15,
        ("global-local", "3"): 9,
        ("tas", "1"): 237,
        ("tas", "2"): 5,
        ("tas", "3"): 20,
        ("tas", "4"): 8,
        ("tas", "5"): 8,
        ("tas", "6"): 24,
        ("tas", "7"): 24,
        ("tas", "section 4.5"): 3,
        ("copatch", "abstract"): 2,
    }
    assert not frame["value"].isna().any()
    keys = [column for column in COLUMNS if column not in ("value", "note")]
    doubled = frame[frame.duplicated(keys, keep=False)]
    assert set(doubled["variant"]) == {"alpha=0.1; lambda=0.7"}  # printed in both halves of TAS's Table 3
    assert doubled.groupby("metric")["value"].nunique().tolist() == [1, 1]


@pytest.mark.parametrize(("paper", "sums"), [("global-local", GLOBAL_LOCAL_1), ("tas", TAS_1)])
def test_main_tables(paper: str, sums: dict) -> None:
    frame = published(paper=paper, table=1)
    for metric, place in (("oIoU", 0), ("mIoU", 1)):
        part = frame[frame["metric"] == metric]
        found = part.groupby(["method", "encoder", "proposals"])["value"].sum().to_dict()
        assert found == pytest.approx({key: both[place] for key, both in sums.items() if both[place] is not None})


@pytest.mark.parametrize(("paper", "method", "dataset", "split", "split_by", "metric", "value"), CELLS)
def test_cells(paper: str, method: str, dataset: str, split: str, split_by: str, metric: str, value: float) -> None:
    frame = published(
        paper=paper, table=1, method=method, dataset=dataset, split=split, split_by=split_by, metric=metric
    )
    assert value in frame["value"].tolist()


def test_tables_2_and_3_of_global_local() -> None:
    second = published(paper="global-local", table=2)
    assert second.groupby("method")["value"].sum().to_dict() == pytest.approx(GLOBAL_LOCAL_2)
    assert set(second["proposals"]) == {"ground-truth"} and set(second["metric"]) == {"oIoU"}
    third = published(paper="global-local", table=3)
    visual = third["variant"].str.extract(r"visual=([\w-]+);")[0]
    assert third.groupby(visual)["value"].sum().to_dict() == pytest.approx(GLOBAL_LOCAL_3)


def test_small_tables_of_tas() -> None:
    phrasecut = published(paper="tas", table=2).groupby(["method", "encoder"])["value"].sum().to_dict()
    assert phrasecut == pytest.approx(
        {("Global-Local", ""): 23.64, ("TAS", "ViT-B/32"): 50.30, ("TAS", "ResNet-50"): 49.51}
    )
    weights = published(paper="tas", table=3).groupby("variant")["value"].sum().to_dict()
    assert weights == pytest.approx(TAS_3)
    modules = published(paper="tas", table=4).groupby("variant", sort=False)["value"].sum()
    assert modules.tolist() == pytest.approx(TAS_4)
    inputs = published(paper="tas", table=5)
    parts = inputs["variant"].str.extract(r"BLIP-2 input=(\w+); CLIP input=(\w+)")
    assert inputs.groupby([parts[0], parts[1]])["value"].sum().to_dict() == pytest.approx(TAS_5)
    captioners = published(paper="tas", table=6)
    names = captioners["variant"].str.removeprefix("captioner=")
    assert captioners.groupby([names, "encoder"])["value"].sum().to_dict() == pytest.approx(TAS_6)
    matchers = published(paper="tas", table=7)
    names = matchers["variant"].str.removeprefix("printed as ")
    assert matchers.groupby(names)["value"].sum().to_dict() == pytest.approx(TAS_7)


def test_claims_and_misprints() -> None:
    claim = published(paper="copatch")
    assert dict(zip(claim["metric"], claim["value"], strict=True)) == {"mIoU gain, least": 2.0, "mIoU gain, most": 7.0}
    assert published(metric="seconds per image")["value"].tolist() == [1.88, 2.01, 3.63]
    noted = published()
    noted = noted[noted["note"].str.contains("misprint")]
    assert noted["value"].tolist() == [25.66, 46.62]  # kept as printed


def test_filters() -> None:
    assert set(published(dataset=["refcoco", "phrasecut"])["dataset"]) == {"refcoco", "phrasecut"}
    assert published(paper="copatch", table=1).empty
    with pytest.raises(InvalidInputError, match="paper, table"):
        published(author="Yu")
    with pytest.raises(InvalidInputError, match="refcocog"):
        published(dataset="coco")
