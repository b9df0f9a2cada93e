"""The cache of features: written whole, never twice, read back as the source gives it."""

import copy
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from gar import GARConfig, InputError
from gar.model.sights import look_closer
from gar.training.feature_cache import CachedSource, FeatureCache, write_shard
from gar.training.recipe import read_recipe
from gar.training.samples import Skipped
from gar.training.scratch import build_from_scratch
from gar.training.settings import Scratch, Start, WorldData
from gar.training.sources.source import Source
from gar.training.sources.specs import FolderData


class Torn(Source):
    """A source whose every third item cannot be used, of pictures that differ from epoch to epoch if asked for."""

    def __init__(self, world, *, moving=False):
        super().__init__()
        self.world = world
        self.moving = moving

    def __len__(self):
        return 7

    def draw(self, index, epoch):
        if index % 3 == 2:
            return Skipped(f"item {index}", "torn")
        return self.world.draw(index + 10 * epoch * self.moving, epoch)


@pytest.fixture
def stem(model):
    return model.model.vision_tower.patch_embed


@pytest.fixture
def shard(tmp_path, world, processor, stem):
    """Writes one shard of a source and opens it."""

    def make(source, variants=2):
        path = tmp_path / "shard-00000"
        write_shard(path, source, range(len(source)), processor=processor, stem=stem, variants=variants)
        return CachedSource(tmp_path, len(source), variants=variants, shard=200)

    return make


def test_a_cached_sample_is_the_sources_with_features_in_place_of_the_picture(shard, world, processor, stem):
    source = Torn(world)
    cached = shard(source)
    assert len(cached) == 7
    for index in range(7):
        for epoch in range(4):
            own, expected = cached.draw(index, epoch), source.draw(index, epoch % 2)
            if isinstance(expected, Skipped):
                assert own == expected
                continue
            for name in ("name", "prompts", "turns", "kinds", "wording", "dialogue", "words"):
                assert getattr(own, name) == getattr(expected, name), name
            assert all(np.array_equal(a, b) for a, b in zip(own.masks, expected.masks, strict=True))
            tiles, _, grid = processor.picture_inputs(expected.picture, expected.masks, expected.prompts)
            assert own.grid == grid
            assert torch.equal(own.patch_features, stem(tiles).half())
            assert own.picture is None


def test_the_features_of_a_picture_are_kept_once(shard, world, tmp_path):
    shard(Torn(world), variants=3)
    once = len(load_file(tmp_path / "shard-00000.safetensors")["features"])
    shard(Torn(world), variants=1)
    assert len(load_file(tmp_path / "shard-00000.safetensors")["features"]) == once


def test_pictures_that_change_from_epoch_to_epoch_keep_their_own_features(shard, world):
    cached = shard(Torn(world, moving=True))
    assert not torch.equal(cached.draw(0, 0).patch_features, cached.draw(0, 1).patch_features)


def test_what_the_stem_sees_in_closeups_is_kept_once_a_region(tmp_path, speaking, world):
    far, model = speaking
    processor = copy.copy(far)
    processor.config = GARConfig.from_dict({**far.config.to_dict(), "closeup_size": 64, "color_levels": 4})
    stem, source = model.model.vision_tower.patch_embed, Torn(world)
    write_shard(tmp_path / "shard-00000", source, range(7), processor=processor, stem=stem, variants=2)
    cached = CachedSource(tmp_path, 7, variants=2, shard=200)
    masks = set()
    for index in (0, 1, 3, 4, 6):
        for epoch in range(2):
            own, expected = cached.draw(index, epoch), source.draw(index, epoch)
            closeups = processor.closeup_inputs(expected.picture, expected.masks)
            torch.testing.assert_close(
                own.sights.float(), look_closer(stem, processor.config, *closeups.values()), rtol=2e-3, atol=2e-3
            )
            masks |= {(index, mask.tobytes()) for mask in expected.masks}
    assert len(load_file(tmp_path / "shard-00000.safetensors")["sights"]) == len(masks)


def test_an_item_with_an_empty_mask_is_named_and_left_out(shard, world):
    class Emptied(Torn):
        def draw(self, index, epoch):
            item = super().draw(index, epoch)
            empty = (*item.masks[:-1], np.zeros_like(item.masks[-1])) if index == 0 else None
            return replace(item, masks=empty) if empty else item

    cached = shard(Emptied(world))
    assert cached.draw(0, 0).reason == "a mask is empty"
    assert cached.draw(1, 0).masks


def test_records_are_plain_json_and_features_half_precision(shard, world, tmp_path):
    shard(Torn(world))
    record = json.loads((tmp_path / "shard-00000.jsonl").read_text().splitlines()[0])[0]
    assert set(record) == {
        "name",
        "masks",
        "prompts",
        "turns",
        "kinds",
        "wording",
        "dialogue",
        "words",
        "tiles",
        "grid",
    }
    assert load_file(tmp_path / "shard-00000.safetensors")["features"].dtype == torch.float16


@pytest.fixture
def make_cache(pretrained, world, tmp_path):
    """Caches of five scenes in shards of two."""
    settings = read_recipe("nano").model.scratch
    model, processor = build_from_scratch(settings.model_copy(update={"texts": 20, "pictures": 2}), world, seed=0)
    model.save_pretrained(tmp_path / "start")
    processor.save_pretrained(tmp_path / "start")

    def make(scenes=5, variants=1, data=None):
        data = data or (WorldData(kind="world", scenes=scenes),)
        start = Start(start=str(tmp_path / "start"), closeup_size=64)
        return FeatureCache(tmp_path / "caches", start, data, seed=0, variants=variants, shard=2)

    return make


def files(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_is_there_is_not_made_again_and_what_is_missing_is(make_cache, tmp_path):
    made = make_cache().make(workers=0)
    before = files(tmp_path / "caches")
    assert len(before) == 6
    assert len({(tmp_path / "caches" / name).stat().st_mode for name in before}) == 1
    make_cache().make(workers=0)
    assert files(tmp_path / "caches") == before
    lost = next(path for path in (tmp_path / "caches").rglob("shard-00001.jsonl"))
    content = lost.read_bytes()
    lost.unlink()
    again = make_cache().make(workers=0)
    assert lost.read_bytes() == content
    assert {name for name, when in files(tmp_path / "caches").items() if when != before.get(name)} == {
        lost.relative_to(tmp_path / "caches"),
        lost.with_suffix(".safetensors").relative_to(tmp_path / "caches"),
    }
    assert again.draw(4, 0).turns == made.draw(4, 0).turns


def test_another_choice_of_data_is_another_cache(make_cache, tmp_path):
    make_cache(scenes=1).make(workers=0)
    make_cache(scenes=1, variants=2).make(workers=0)
    make_cache(scenes=2).make(workers=0)
    assert len(list((tmp_path / "caches").iterdir())) == 3


def test_making_a_cache_leaves_torch_its_threads(make_cache):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        make_cache(scenes=1).make(workers=0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_changed_files_are_another_cache(make_cache, tmp_path):
    data = (FolderData(kind="folder", path=tmp_path / "pictures"),)
    (tmp_path / "pictures").mkdir()
    picture, mask, text = (tmp_path / "pictures" / name for name in ("a.png", "a.mask.png", "a.txt"))
    for file in (picture, mask):
        Image.new("RGB", (64, 64), "white").save(file)
    text.write_text("A wall.")
    make_cache(data=data).make(workers=0)
    make_cache(data=data).make(workers=0)
    assert len(list((tmp_path / "caches").iterdir())) == 1
    text.write_text("A dark wall.")
    told = make_cache(data=data).make(workers=0).draw(0, 0).turns
    assert told[0][1] == "A dark wall."
    os.utime(picture, ns=(0, 0))
    make_cache(data=data).make(workers=0)
    assert len(list((tmp_path / "caches").iterdir())) == 3


@pytest.mark.slow
def test_worker_processes_make_the_same_cache(make_cache, tmp_path):
    make_cache().make(workers=0)
    contents = {path.name: path.read_bytes() for path in (tmp_path / "caches").rglob("*.*")}
    for path in (tmp_path / "caches").rglob("*.*"):
        path.unlink()
    make_cache().make(workers=2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "caches").rglob("*.*")} == contents


def test_a_model_without_a_pretrained_stem_has_nothing_to_keep(small_start, tmp_path):
    data = (WorldData(kind="world", scenes=1),)
    cache = FeatureCache(tmp_path, Start(start=str(small_start)), data, seed=0, variants=1)
    with pytest.raises(InputError, match="has no pretrained stem"):
        cache.make(workers=0)


def test_scratch_is_a_setting_of_its_own():
    with pytest.raises(ValueError, match="vocab_size"):
        Scratch(config={}, vocab_size=10)
