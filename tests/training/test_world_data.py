"""Scenes on disk: written whole, never twice, read back as they were."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gar.graspworld import render_scene
from gar.training.world_data import WorldDataset, sample_turns


@pytest.fixture
def copied(shards, tmp_path):
    """The shards in a folder that may be changed."""
    for path in shards.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_complete_shard_is_not_written_again(copied, processor, model, write_small_shard):
    for suffix in (".jsonl", ".safetensors"):
        (copied / f"shard-0{suffix}").write_bytes(b"as it was")
    write_small_shard(copied / "shard-0", range(3), processor, model)
    assert (copied / "shard-0.jsonl").read_bytes() == b"as it was"
    assert (copied / "shard-0.safetensors").read_bytes() == b"as it was"


@pytest.mark.parametrize("lost", [".jsonl", ".safetensors"])
def test_half_a_shard_is_written_again_and_comes_out_the_same(copied, processor, model, write_small_shard, lost):
    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    (copied / f"shard-1{lost}").unlink()
    (copied / "shard-1.partial").write_bytes(b"stopped in the middle")
    write_small_shard(copied / "shard-1", range(3, 6), processor, model)
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before


def test_a_shard_that_is_being_written_is_not_read(copied):
    (copied / "shard-2.partial").write_bytes(b"half")
    (copied / "shard-2.safetensors").write_bytes(b"features whose records are not there yet")
    assert len(WorldDataset(copied)) == 6


def test_the_dataset_gives_another_sample_of_a_scene_in_each_round(dataset, shards):
    assert len(dataset) == 12
    assert [record["seed"] for record in dataset.records] == list(range(6))
    for scene in range(6):
        first, second = dataset[scene], dataset[scene + 6]
        assert torch.equal(first.patch_features, second.patch_features)
        assert first.turns != second.turns
    assert WorldDataset(shards, rounds=3)[12].turns == dataset[0].turns  # the third round begins again
    assert sum(1 for _ in dataset.texts()) == 2 * sum(len(dataset[index].turns) for index in range(12))


def test_a_sample_holds_its_scenes_features_masks_and_words(dataset, processor, model):
    stem = model.model.vision_tower.patch_embed
    for index in range(12):
        sample, scene = dataset[index], render_scene(index % 6)
        masks = [item.mask for item in scene.objects]
        tiles, _, grid = processor.picture_inputs(scene.image, masks)
        assert sample.grid == grid
        assert torch.equal(sample.patch_features, stem(tiles).half())
        assert len(sample.masks) == len(sample.prompts) == len(sample.words)
        for mask, words in zip(sample.masks, sample.words, strict=True):
            (item,) = (item for item in scene.objects if np.array_equal(item.mask, mask))
            assert words["color"] == item.color
            assert words["shape"] == item.shape


def test_the_row_and_column_of_a_place_are_words_of_their_own(dataset):
    places = [words for index in range(12) for words in dataset[index].words if "place" in words]
    assert places
    for words in places:
        expected = "middle center" if words["place"] == "center" else words["place"]
        assert f"{words['row']} {words['column']}" == expected


def test_samples_follow_from_the_seed_of_their_scene_alone(dataset, processor):
    scene, rng = render_scene(4), np.random.default_rng([4, 1])
    for index in (4, 10):
        prompts, alone, turns = sample_turns(scene, rng, turns=4, single_prompt=processor.single_prompt)
        sample = dataset[index]
        assert (sample.prompts, sample.alone) == (tuple(prompts), alone)
        assert sample.turns == tuple((turn.question, turn.answer) for turn in turns)


def test_a_region_described_alone_has_the_prompt_of_the_single_region_wording():
    scene = render_scene(0)
    drawn = [sample_turns(scene, np.random.default_rng(seed), turns=4, single_prompt=1) for seed in range(60)]
    shares = [alone for _, alone, _ in drawn]
    assert 0.2 < sum(shares) / len(shares) < 0.6
    for prompts, alone, turns in drawn:
        if alone:
            assert list(prompts) == [1]
            assert {turn.kind for turn in turns} == {"caption"}


def test_a_record_is_plain_json_and_its_features_are_half_precision(shards):
    record = json.loads((shards / "shard-0.jsonl").read_text().splitlines()[0])
    assert set(record) == {"seed", "tiles", "grid", "masks", "words", "samples"}
    features = load_file(shards / "shard-0.safetensors")["features"]
    assert features.dtype == torch.float16
    assert record["tiles"][0] == 0
    last = json.loads((shards / "shard-0.jsonl").read_text().splitlines()[-1])
    assert last["tiles"][1] == len(features)
