"""The records of datasets and checkpoints, and comparing a folder with them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.datasets.benchmark_files import make_phrasecut, make_refer
from zsris_viz.cli import app
from zsris_viz.datasets import dataset_names
from zsris_viz.datasets.manifests import File, Manifest, get_manifest, manifest_folder, manifests, read_manifests
from zsris_viz.datasets.verify import VerificationResult, check_file, passed, verify
from zsris_viz.errors import CorruptFileError, InvalidInputError

TOTALS = {"refcoco": (142_210, 19_994), "refcoco+": (141_564, 19_992), "refcocog": (104_560, 26_711)}


def zsris(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def by_name(checks: list[VerificationResult]) -> dict[str, VerificationResult]:
    return {check.what: check for check in checks}


def test_everything_has_a_record() -> None:
    found = manifests()
    assert set(dataset_names()) - {"scenes"} <= set(found)
    assert {"coco-train2014", "referit", "blip2-opt-2.7b", "git-base", "clip-rn50", "clip-vit-l14"} <= set(found)
    assert {"sam-vit-h", "sam-vit-l", "sam-vit-b", "en_core_web_sm", "clip-vit-b32", "clip-vit-b16"} <= set(found)
    for name, one in found.items():
        assert one.licence and one.homepage.startswith("https://") and (one.files or one.hub), name
        assert set(one.needs) <= set(found)
        assert one.layout and (one.kind != "dataset" or one.splits), name
        for file in one.files:
            assert file.sources, file.path
            # What nobody published is said to be so.
            assert file.known_hash or file.note, file.path


def test_counts_are_those_of_the_papers() -> None:
    for name, (expressions, images) in TOTALS.items():
        totals = get_manifest(name).totals
        assert totals is not None and (totals.expressions, totals.images) == (expressions, images)
    for name in ("refcoco", "refcoco+"):
        unc = [split for split in get_manifest(name).splits if split.split_by == "unc"]
        assert sum(split.expressions or 0 for split in unc) == TOTALS[name][0]
        assert sum(split.images or 0 for split in unc) == TOTALS[name][1]


def test_dead_links_are_called_dead_and_have_a_mirror() -> None:
    for name in ("refcoco", "refcoco+", "refcocog", "referit"):
        states = {source.state: source.url for source in get_manifest(name).files[0].sources}
        assert "unc.edu" in states["dead"] and states["live"].startswith("https://web.archive.org/")
    for one in manifests().values():
        for file in one.files:
            for source in file.sources:
                assert source.state == "dead" or not source.url.split("/")[2].endswith("unc.edu")
        clip = [file for file in one.files if one.name.startswith("clip")]
        assert all(file.sha256 in file.sources[0].url for file in clip if file.sha256)


def test_the_schemes_are_the_loaders_own() -> None:
    from zsris_viz.datasets.refer import IMAGE_FOLDERS, RefCOCO, RefCOCOg, RefCOCOPlus

    for cls in (RefCOCO, RefCOCOPlus, RefCOCOg):
        manifest = get_manifest(cls.folder)
        listed: dict[str, tuple[str, ...]] = {}
        for split in manifest.splits:
            listed[split.split_by] = (*listed.get(split.split_by, ()), split.split)
        assert listed == cls.schemes and manifest.image_folders == IMAGE_FOLDERS


@pytest.mark.parametrize(
    "change",
    [{"checksum": "x"}, {"kind": "video"}, {"files": [{"path": "../x"}]}, {"files": [{"path": "x", "sha256": "12"}]}],
)
def test_unknown_keys_and_wrong_values_are_refused(tmp_path: Path, change: dict) -> None:
    shutil.copy(manifest_folder() / "sam.yaml", tmp_path)
    record = {"name": "x", "kind": "dataset", "title": "X", "homepage": "https://x.org", "licence": "MIT"}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(record))
    assert len(read_manifests(tmp_path)) == 4
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(record | change))
    with pytest.raises(CorruptFileError, match=r"x\.yaml"):
        read_manifests(tmp_path)
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(record | {"name": "sam-vit-b"}))
    with pytest.raises(CorruptFileError, match="another manifest"):
        read_manifests(tmp_path)


def test_a_file_is_checked_by_size_and_hash(tmp_path: Path) -> None:
    content = b"weights"
    good = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest = get_manifest("sam-vit-b")
    path = tmp_path / "w.pth"

    def status(**options: object) -> str:
        return check_file(File(path="w.pth", **{**good, **options}), tmp_path, manifest).status

    assert status() == "missing" and status(optional=True) == "absent"
    path.write_bytes(content)
    assert status() == "ok" and status(size=8) == "wrong" and status(sha256="0" * 64) == "wrong"
    assert status(sha256=None, md5=hashlib.md5(content).hexdigest()) == "ok"
    assert status(size=None, sha256=None) == "unknown"


def test_verify_counts_and_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make_refer(tmp_path)
    real = get_manifest("refcoco").model_dump()
    splits = [
        {"split_by": "unc", "split": "val", "expressions": 3, "references": 2, "images": 1},
        {"split_by": "unc", "split": "train", "expressions": 2, "references": 1, "images": 1},
        {"split_by": "google", "split": "val"},
    ]
    manifest = Manifest.model_validate(real | {"splits": splits})
    checks = by_name(verify(manifest, tmp_path))
    assert checks["refcoco.zip"].status == "ok" and "unpacked" in checks["refcoco.zip"].detail
    assert checks["val (unc)"].status == "ok" and checks["images"].detail == "2 of 2 there"
    assert checks["train (unc)"].status == "wrong" and "1 expressions (not 2)" in checks["train (unc)"].detail
    assert checks["val (google)"].status == "absent"
    assert not passed(list(checks.values()))
    (place / "COCO_train2014_000000000009.jpg").unlink()
    image = by_name(verify(manifest, tmp_path))["images"]
    assert image.status == "missing" and "COCO_train2014_000000000009.jpg" in image.detail
    (tmp_path / "refcoco/refs(unc).p").write_bytes(b"no")
    broken = by_name(verify(manifest, tmp_path))
    assert broken["val (unc)"].status == "wrong" and "images" not in broken


def test_verify_on_the_command_line(tmp_path: Path) -> None:
    empty = zsris("data", "verify", "refcoco", "--data-root", tmp_path)
    assert empty.exit_code == 1 and "MISSING" in empty.stdout and "refcoco: " in empty.stdout.splitlines()[-1]
    checks = verify("refcoco", tmp_path)
    assert len(empty.stdout.splitlines()) == len(checks) + 1  # a line for each check, and the summary
    assert all("\n" not in check.detail for check in checks)
    make_phrasecut(tmp_path)
    result = json.loads(zsris("data", "verify", "phrasecut", "--data-root", tmp_path, "--json").stdout)
    checks = {check["what"]: check for check in result["checks"]}
    assert result["ok"] is False and checks["images"]["detail"] == "2 of 2 there"
    assert checks["test"]["status"] == "wrong" and "3 references (not 14,354)" in checks["test"]["detail"]
    (tmp_path / "images/mscoco/images/train2014").mkdir(parents=True)
    coco = zsris("data", "verify", "coco-train2014", "--data-root", tmp_path)
    assert coco.exit_code == 1 and "82,783" in coco.stdout
    for words in (["refcoco"], ["nothing", "--data-root", tmp_path], ["scenes", "--data-root", tmp_path]):
        result = zsris("data", "verify", *words)
        assert result.exit_code == 2 and result.stderr.count("\n") == 1


def test_list_on_the_command_line() -> None:
    rows = json.loads(zsris("data", "list", "--json").stdout)
    refcoco = next(row for row in rows if (row["name"], row["split"], row["split_by"]) == ("refcoco", "testA", "unc"))
    assert (refcoco["images"], refcoco["expressions"]) == (750, 5657)
    assert "sam-vit-h" in {row["name"] for row in rows}
    assert "phrasecut" in zsris("data", "list").stdout


def test_an_unknown_name() -> None:
    with pytest.raises(InvalidInputError, match="refcocog"):
        get_manifest("flickr")
