"""The model without its language head: from pictures, regions and text to hidden states (arXiv 2510.18876).

The whole forward pass, in words:

1. tiles and mask tiles become patch features (`vision`), projected to the decoder's width (`projector`);
2. RoIAlign reads each region's features off the picture's map (`replay`), or, if the configuration says so, they come
   from a tile of the region's own;
3. the features of all tiles are written over the image tokens, those of each region over its crop tokens, and, if
   the configuration says so, what speaks for a region is added to each mention of its prompt;
4. Llama reads the result.

There is one forward pass for every size and every batch; all inputs are packed over tiles and regions, so samples
of one batch may have any grid and any number of regions.

Shapes: B samples, L text length, T tiles in all, S tile side, n feature cells of a tile, R regions in all, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Cache, LlamaModel
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils.generic import can_return_tuple

from gar.model.configuration import GARConfig
from gar.model.pointing import mean_embeddings, point
from gar.model.pretrained import GARPreTrainedModel
from gar.model.projector import GARProjector, pool_cells
from gar.model.replay import (
    BOX_WAVES,
    box_waves,
    is_crop_tile,
    locate_pictures,
    mask_outlines,
    mask_weights,
    pool_crops,
    replay_slots,
    roi_align,
)
from gar.model.sights import look, look_closer, split_sights
from gar.model.vision import GARVisionTower

__all__ = ["VISION_INPUTS", "GARModel", "GARModelOutput", "RegionFeatures", "check_vision"]

VISION_INPUTS = (
    "pixel_values",
    "mask_values",
    "patch_features",
    "tiles_per_sample",
    "tile_grid",
    "region_boxes",
    "region_index",
    "closeup_values",
    "closeup_masks",
    "region_sights",
)
"""The inputs that describe pictures and regions; the rest is text."""


_NEEDED = ("mask_values", "tiles_per_sample", "tile_grid", "region_boxes", "region_index")
"""Those without which nothing can be said of any."""


@dataclass
class RegionFeatures:
    """What the decoder is shown of pictures and regions."""

    cells: torch.Tensor
    """(T, n, D): the projected map of each tile of the pictures."""
    image: torch.Tensor
    """(T, image tokens of a tile, D): what is written over the image tokens."""
    replay: torch.Tensor
    """(R, replay tokens, D): what is written over each region's crop tokens."""
    spoken: torch.Tensor | None
    """(R, D): what speaks for each region, the mean of the map over its mask with what the configuration adds to it;
    None in a model without mask-weighted tokens, unless it is being trained."""
    prompts: torch.Tensor | None
    """(B, K, D): what is added to each mention of a prompt; None where a mention is a word like any other."""


@dataclass
class GARModelOutput(BaseModelOutputWithPast):
    """Output of `GARModel`."""

    replay_hidden_states: torch.Tensor | None = None
    """(R, replay tokens, D): what was written over each region's crop tokens."""
    spoken_hidden_states: torch.Tensor | None = None
    """(R, D): what speaks for each region, see `RegionFeatures.spoken`."""
    prompt_features: torch.Tensor | None = None
    """(B, K, D): what was added to each mention of a prompt; give it back with the tokens that follow."""


def check_vision(
    vision: Mapping[str, torch.Tensor], input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None
) -> None:
    """Checks that pictures are complete, and given with a text that they can be written into."""
    if input_ids is None or inputs_embeds is not None:
        raise ValueError(f"{', '.join(vision)}: pictures are written into input_ids; give those alone with them")
    lacking = [name for name in _NEEDED if name not in vision]
    if "pixel_values" not in vision and "patch_features" not in vision:
        lacking.append("pixel_values or patch_features")
    if lacking:
        raise ValueError(f"{', '.join(vision)} are given without {', '.join(lacking)}")


class GARModel(GARPreTrainedModel):
    """Vision tower, projector, replay and Llama, without the language head."""

    def __init__(self, config: GARConfig):
        super().__init__(config)
        self.vision_tower = GARVisionTower._from_config(config.vision_config)
        self.projector = GARProjector(config)
        self.language_model = LlamaModel._from_config(config.text_config)
        width = config.text_config.hidden_size
        self.stem_embed = None
        if config.stem_embedding:
            channels = self.vision_tower.patch_embed.channels
            self.stem_embed = nn.Sequential(
                nn.Dropout(config.stem_dropout),
                nn.Linear(2 * channels, 2 * width),
                nn.GELU(),
                nn.Dropout(config.stem_dropout),
                nn.Linear(2 * width, width),
            )
        self.box_embed = nn.Linear(BOX_WAVES, width) if config.box_embedding else None
        self.color_embed = None
        if config.color_levels:
            colors = config.color_levels**3
            self.color_embed = nn.Sequential(nn.Linear(colors, width), nn.GELU(), nn.Linear(width, width))
        self.outline_embed = None
        if config.outline_size:
            cells = 2 * config.outline_size**2
            self.outline_embed = nn.Sequential(nn.Linear(cells, width), nn.GELU(), nn.Linear(width, width))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The decoder's word embeddings."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the decoder's word embeddings."""
        self.language_model.set_input_embeddings(value)

    def encode_tiles(self, patch_features: torch.Tensor, mask_values: torch.Tensor) -> torch.Tensor:
        """Looks at tiles, each for itself: what comes out for one depends on no other.

        Args:
            patch_features: (T, N, C) from the stem.
            mask_values: (T, 1, S, S), 0 outside all regions.

        Returns:
            (T, n, D), the map that regions are read off.
        """
        return self.projector(self.vision_tower(None, mask_values, patch_features))

    def get_region_features(
        self,
        *,
        mask_values: torch.Tensor,
        tiles_per_sample: torch.Tensor,
        tile_grid: torch.Tensor,
        region_boxes: torch.Tensor,
        region_index: torch.Tensor,
        pixel_values: torch.Tensor | None = None,
        patch_features: torch.Tensor | None = None,
        closeup_values: torch.Tensor | None = None,
        closeup_masks: torch.Tensor | None = None,
        region_sights: torch.Tensor | None = None,
        cells: torch.Tensor | None = None,
    ) -> RegionFeatures:
        """Encodes pictures and replays their regions.

        Args:
            mask_values: (T, 1, S, S), bit k set inside region `<PromptK>`.
            tiles_per_sample: (B,) tiles of each sample, thumbnail and regions' own tiles included.
            tile_grid: (B, 2) columns and rows.
            region_boxes: (R, 4) normalised xyxy.
            region_index: (R, 2) sample and prompt number.
            pixel_values: (T, 3, S, S) in [-1, 1].
            patch_features: What the stem made of the tiles before, in place of `pixel_values`.
            closeup_values: (R, 3, C, C) in [-1, 1], of a model that wants close-ups (`closeup_size`).
            closeup_masks: (R, 1, C, C), not 0 inside the region.
            region_sights: What `look_closer` made of the close-ups before, in their place.
            cells: (T, n, D) what `encode_tiles` made of patch features and masks before.
        """
        config = self.config
        if patch_features is None:
            patch_features = self.vision_tower.patch_embed(pixel_values.to(self.dtype))
        if cells is None:
            cells = self.encode_tiles(patch_features, mask_values)
        grids, first_tile = locate_pictures(tile_grid, region_index, thumbnail=config.use_thumbnail)
        if config.region_crops:
            is_crop = is_crop_tile(tiles_per_sample, tile_grid.prod(1) + int(config.use_thumbnail))
            replay = pool_crops(cells[is_crop], config.replay_size)  # (R, P·P, D)
            cells, mask_values, patch_features = cells[~is_crop], mask_values[~is_crop], patch_features[~is_crop]
        else:
            replay = roi_align(
                cells,
                region_boxes,
                grids,
                first_tile,
                size=config.replay_size,
                spatial_scale=config.replay_spatial_scale,
            )  # (R, P·P, D)
        spoken = None
        if config.mask_token or self.training:
            lying = mask_values, region_boxes, region_index[:, 1], grids, first_tile
            weigh = partial(mask_weights, *lying)
            of_cells, of_patches = config.feature_grid_size, config.vision_config.grid_size
            weight = weigh(side=of_cells)
            spoken = weight.to(cells.dtype) @ cells.flatten(0, 1)  # (R, D)
            if not config.closeup_size:
                of_patch = weight if of_patches == of_cells else weigh(side=of_patches)
                region_sights = look(self.vision_tower.patch_embed, config, patch_features.to(self.dtype), of_patch)
            elif region_sights is None:
                if closeup_values is None or closeup_masks is None:
                    raise ValueError("closeup_size is set: give closeup_values and closeup_masks, or region_sights")
                region_sights = self.look_closer(closeup_values, closeup_masks)
            spoken = spoken + self.speak(region_sights, region_boxes)
            if self.outline_embed is not None:
                outlines = mask_outlines(*lying, size=config.outline_size)
                spoken = spoken + self.outline_embed(outlines.to(self.dtype))
        if config.mask_token:
            replay = torch.cat([replay, self.echo(spoken)[:, None]], dim=1)
        prompts = None
        if config.prompt_token_ids:
            shown = replay[:, -1] if config.mask_token else replay.mean(1)
            # as long as the word itself: else the region drowns which prompt it is
            words = self.get_input_embeddings().weight[list(config.prompt_token_ids)][region_index[:, 1]]
            shown = F.normalize(shown, dim=-1) * words.norm(dim=-1, keepdim=True)
            empty = replay.new_zeros(len(tiles_per_sample), config.max_regions, replay.shape[-1])
            prompts = empty.index_put(tuple(region_index.T), shown.to(empty.dtype))
        return RegionFeatures(cells, pool_cells(cells, config.image_pooling_ratio), replay, spoken, prompts)

    def look_closer(self, closeup_values: torch.Tensor, closeup_masks: torch.Tensor) -> torch.Tensor:
        """What the stem alone sees of regions in close-ups of their own, see `gar.model.sights.look_closer`."""
        return look_closer(self.vision_tower.patch_embed, self.config, closeup_values.to(self.dtype), closeup_masks)

    def speak(self, sights: torch.Tensor, region_boxes: torch.Tensor) -> torch.Tensor:
        """What speaks for each region before the tower has looked: what its stem sees, its colors, where the box lies.

        Args:
            sights: (R, 2·C + classes + colors), see `gar.model.sights`.
            region_boxes: (R, 4) normalised xyxy.

        Returns:
            (R, D); zeros where the configuration asks for none of it.
        """
        moments, classes, colors = split_sights(self.config, sights.to(self.dtype))
        spoken = moments.new_zeros(len(region_boxes), self.config.text_config.hidden_size)
        if self.stem_embed is not None:
            spoken = spoken + self.stem_embed(moments)
        if self.config.class_token_ids:
            spoken = spoken + self.config.class_scale * self.class_words(classes)
        if self.color_embed is not None:
            spoken = spoken + self.color_embed(colors)
        if self.box_embed is not None:
            spoken = spoken + self.box_embed(box_waves(region_boxes).to(self.dtype))
        return spoken

    def class_words(self, probabilities: torch.Tensor) -> torch.Tensor:
        """The words for the classes that a region may show, summed by how likely they are.

        Classes with one word are counted together; likelihoods enter by their square roots, so that a second guess is
        heard beside the first.

        Args:
            probabilities: (R, classes).

        Returns:
            (R, D).
        """
        words = self.get_input_embeddings().weight
        tokens = torch.tensor(self.config.class_token_ids, device=words.device)
        named = tokens >= 0
        likely = probabilities.new_zeros(len(probabilities), len(words))
        likely = likely.index_add(1, tokens[named], probabilities[:, named])  # (R, V)
        return (likely + 1e-12).sqrt() @ words

    def echo(self, spoken: torch.Tensor) -> torch.Tensor:
        """Says the words that regions point at once more, for the decoder to hear.

        It points by products with the words' embeddings, as `gar.training.words` teaches it. Only the first guess is
        said: a decoder that reads a blend of words has not learnt which of them it is.

        Args:
            spoken: (R, D) what speaks for each region.

        Returns:
            (R, D); as it was where the configuration asks for no words.
        """
        embeddings = self.get_input_embeddings().weight
        heard = spoken
        for group in self.config.echo_token_ids:
            words = mean_embeddings(embeddings, group)  # (W, D)
            first = point(spoken, words).argmax(-1)  # (R,)
            heard = heard + self.config.echo_scale * words[first].to(spoken.dtype)
        return heard

    def embed_words(self, input_ids: torch.Tensor, prompt_features: torch.Tensor | None = None) -> torch.Tensor:
        """Embeds text that follows on pictures and regions.

        Args:
            input_ids: (B, L).
            prompt_features: (B, K, D) what is added to each mention of a prompt.

        Returns:
            (B, L, D).
        """
        embeds = self.get_input_embeddings()(input_ids)
        if prompt_features is None:
            return embeds
        named = input_ids[..., None] == torch.tensor(self.config.prompt_token_ids, device=input_ids.device)
        return embeds + named.to(embeds.dtype) @ prompt_features.to(embeds.dtype)

    def embed(self, input_ids: torch.Tensor, features: RegionFeatures, region_index: torch.Tensor) -> torch.Tensor:
        """Writes image and replay features into their places in the text.

        Args:
            input_ids: (B, L), on the host or the model's device; on the host, nothing here waits for the device.
            features: From `get_region_features`.
            region_index: (R, 2) sample and prompt number, beside `input_ids`.

        Returns:
            (B, L, D).

        Raises:
            ValueError: The text has not as many image or crop tokens as there are features.
        """
        config, device = self.config, features.image.device
        embeds = self.embed_words(input_ids.to(device), features.prompts)  # (B, L, D)
        image = features.image.flatten(0, 1).to(embeds.dtype)
        is_image = input_ids == config.image_token_id
        crop_token_ids = torch.tensor(config.crop_token_ids, device=input_ids.device)
        is_crop, region, place = replay_slots(input_ids, crop_token_ids, region_index, config.replay_tokens)
        expected = len(region_index) * config.replay_tokens
        if not torch.compiler.is_compiling() and (
            int(is_image.sum()) != len(image)
            or len(region) != expected
            or (expected and (int(region.min()) < 0 or int(place.max()) >= config.replay_tokens))
        ):
            raise ValueError(
                f"the text has {int(is_image.sum())} image and {len(region)} crop tokens; "
                f"the pictures need {len(image)} and the {len(region_index)} regions {expected}"
            )
        replay = features.replay[region.to(device), place.to(device)].to(embeds.dtype)
        embeds = embeds.masked_scatter(is_image.to(device)[..., None], image)
        return embeds.masked_scatter(is_crop.to(device)[..., None], replay)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        mask_values: torch.Tensor | None = None,
        patch_features: torch.Tensor | None = None,
        tiles_per_sample: torch.Tensor | None = None,
        tile_grid: torch.Tensor | None = None,
        region_boxes: torch.Tensor | None = None,
        region_index: torch.Tensor | None = None,
        closeup_values: torch.Tensor | None = None,
        closeup_masks: torch.Tensor | None = None,
        region_sights: torch.Tensor | None = None,
        prompt_features: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> GARModelOutput:
        """Reads pictures, regions and text; see `GARForConditionalGeneration.forward`."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        replay = spoken = None
        vision = {
            "pixel_values": pixel_values,
            "mask_values": mask_values,
            "patch_features": patch_features,
            "tiles_per_sample": tiles_per_sample,
            "tile_grid": tile_grid,
            "region_boxes": region_boxes,
            "region_index": region_index,
            "closeup_values": closeup_values,
            "closeup_masks": closeup_masks,
            "region_sights": region_sights,
        }
        vision = {name: given for name, given in vision.items() if given is not None}
        if vision:
            check_vision(vision, input_ids, inputs_embeds)
            features = self.get_region_features(**vision)
            inputs_embeds = self.embed(input_ids, features, region_index)
            replay, spoken, prompt_features = features.replay, features.spoken, features.prompts
        elif inputs_embeds is None:
            inputs_embeds = self.embed_words(input_ids, prompt_features)
        outputs = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        return GARModelOutput(
            **outputs, replay_hidden_states=replay, spoken_hidden_states=spoken, prompt_features=prompt_features
        )
