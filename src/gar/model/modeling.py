"""Grasp Any Region as a transformers model: the base model with its language head, its losses and `generate`.

What becomes of pictures and regions stands in `base_model`; `generate` embeds them once and then decodes as any Llama.

Shapes: B samples, L text length, T tiles in all, S tile side, R regions in all, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForImageTextToText, Cache, GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils.generic import can_return_tuple

from gar.model.base_model import VISION_INPUTS, GARModel, check_vision
from gar.model.checkpoints import register_published_names
from gar.model.configuration import GARConfig
from gar.model.pretrained import GARPreTrainedModel

__all__ = ["GARForConditionalGeneration", "GAROutput"]


@dataclass
class GAROutput(CausalLMOutputWithPast):
    """Output of `GARForConditionalGeneration`."""

    replay_hidden_states: torch.Tensor | None = None
    """(R, replay tokens, D): what was written over each region's crop tokens."""
    spoken_hidden_states: torch.Tensor | None = None
    """(R, D): what speaks for each region, see `RegionFeatures.spoken`."""
    prompt_features: torch.Tensor | None = None
    """(B, K, D): what was added to each mention of a prompt; give it back with the tokens that follow."""


class GARForConditionalGeneration(GARPreTrainedModel, GenerationMixin):
    """GAR with its language head: what describes regions.

    Example:
        >>> from gar.model.configuration import GARConfig
        >>> config = GARConfig(
        ...     vision_config=dict(image_size=28, hidden_size=16, num_hidden_layers=1, num_attention_heads=2),
        ...     text_config=dict(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2),
        ...     image_token_id=3, crop_token_ids=[4, 5], projector_pooling_ratio=1, replay_size=1)
        >>> GARForConditionalGeneration(config).config.max_regions
        2
    """

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: GARConfig):
        super().__init__(config)
        self.model = GARModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """The language head."""
        return self.lm_head

    def set_output_embeddings(self, value: nn.Module) -> None:
        """Replaces the language head."""
        self.lm_head = value

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
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
        logits_to_keep: int | torch.Tensor = 0,
        num_items_in_batch: torch.Tensor | int | None = None,
        loss_only: bool = False,
        loss_weights: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> GAROutput:
        """Predicts the next token at each place.

        Args:
            input_ids: (B, L), image and crop tokens already repeated.
            attention_mask: (B, L), or (B, 1, L, L) additive for packed conversations.
            position_ids: (B, L).
            past_key_values: The decoder's cache.
            inputs_embeds: (B, L, D) in place of `input_ids`, pictures and regions already written in.
            labels: (B, L), -100 where nothing is learnt.
            pixel_values: (T, 3, S, S) in [-1, 1].
            mask_values: (T, 1, S, S), bit k set inside region `<PromptK>`.
            patch_features: Output of `model.vision_tower.patch_embed`, in place of `pixel_values`.
            tiles_per_sample: (B,).
            tile_grid: (B, 2) columns and rows.
            region_boxes: (R, 4) normalised xyxy.
            region_index: (R, 2) sample and prompt number.
            closeup_values: (R, 3, C, C) in [-1, 1], of a model with `closeup_size`.
            closeup_masks: (R, 1, C, C), not 0 inside the region.
            region_sights: Output of `model.look_closer`, in place of the two.
            prompt_features: (B, K, D) from an earlier output, with tokens that follow without pictures.
            logits_to_keep: Compute logits for the last so many places only; 0 for all.
            num_items_in_batch: Label tokens over which the loss is averaged, when accumulating gradients.
            loss_only: Compute logits only where there are labels, for the loss, and return none.
            loss_weights: (B, L) how much each label counts in the sum; only with `loss_only`.
            kwargs: Passed to the decoder (`use_cache`, `output_hidden_states`, …).

        Returns:
            loss (mean cross-entropy in float32, shifted), logits (B, kept places,
            vocabulary), past_key_values, and the replayed features.
        """
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            pixel_values=pixel_values,
            mask_values=mask_values,
            patch_features=patch_features,
            tiles_per_sample=tiles_per_sample,
            tile_grid=tile_grid,
            region_boxes=region_boxes,
            region_index=region_index,
            closeup_values=closeup_values,
            closeup_masks=closeup_masks,
            region_sights=region_sights,
            prompt_features=prompt_features,
            return_dict=True,
            **kwargs,
        )
        hidden = outputs.last_hidden_state
        measure = partial(
            self.loss_function, vocab_size=self.config.text_config.vocab_size, num_items_in_batch=num_items_in_batch
        )
        logits = loss = None
        if loss_only and labels is not None:
            following = F.pad(labels[:, 1:], (0, 1), value=-100)  # (B, L): what each place is to predict
            learnt = following != -100
            predicted = self.lm_head(hidden[learnt])
            if loss_weights is None:
                loss = measure(logits=predicted, labels=labels, shift_labels=following[learnt])
            else:
                each = F.cross_entropy(predicted.float(), following[learnt], reduction="none")
                counted = learnt.sum() if num_items_in_batch is None else num_items_in_batch
                loss = (each * F.pad(loss_weights[:, 1:], (0, 1))[learnt]).sum() / counted
        else:
            kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            hidden = hidden[:, kept]
            # flat, because torch multiplies a slice (1, 1, D) in bfloat16 a hundred times slower, and copies the matrix
            logits = self.lm_head(hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2])  # (B, kept, vocabulary)
            if labels is not None:
                loss = measure(logits=logits, labels=labels)
        return GAROutput(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            replay_hidden_states=outputs.replay_hidden_states,
            spoken_hidden_states=outputs.spoken_hidden_states,
            prompt_features=outputs.prompt_features,
        )

    @torch.no_grad()
    def generate(self, inputs: torch.Tensor | None = None, **kwargs: Any):
        """Continues a text about pictures and regions.

        Pictures and regions are encoded once; what decodes afterwards is the Llama alone, so options of transformers'
        `generate` work (beams, several sequences, streamers, static caches, guesses by an assistant or from the
        prompt), all but `prefill_chunk_size`.

        Args:
            inputs: (B, L), left-padded; `input_ids` is another name for it.
            kwargs: The vision inputs of `forward` and any option of `GenerationMixin.generate`.

        Returns:
            As `GenerationMixin.generate`: token ids (B, L + new) by default.

        Raises:
            ValueError: There are pictures, and no `input_ids` to write them into.
        """
        input_ids = kwargs.pop("input_ids", inputs)
        vision = {name: given for name in VISION_INPUTS if (given := kwargs.pop(name, None)) is not None}
        if vision:
            check_vision(vision, input_ids, kwargs.get("inputs_embeds"))
            features = self.model.get_region_features(**vision)
            kwargs["inputs_embeds"] = self.model.embed(input_ids, features, vision["region_index"])
            kwargs["prompt_features"] = features.prompts
        return super().generate(input_ids, **kwargs)

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        *args: Any,
        inputs_embeds: torch.Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """As transformers' own; guesses that follow on the text (assisted decoding) are embedded with it."""
        if inputs_embeds is not None and is_first_iteration and input_ids.shape[1] > inputs_embeds.shape[1]:
            guesses = input_ids[:, inputs_embeds.shape[1] :]
            followed = self.model.embed_words(guesses, kwargs.get("prompt_features"))
            inputs_embeds = torch.cat([inputs_embeds, followed.to(inputs_embeds.dtype)], dim=1)
        return super().prepare_inputs_for_generation(
            input_ids, *args, inputs_embeds=inputs_embeds, is_first_iteration=is_first_iteration, **kwargs
        )

    def save_pretrained(self, save_directory: Any, **kwargs: Any):
        """Saves in this library's layout; see `gar.model.checkpoints.export_published` for the other."""
        kwargs.setdefault("save_original_format", False)
        return super().save_pretrained(save_directory, **kwargs)


register_published_names(GARForConditionalGeneration)
AutoModelForImageTextToText.register(GARConfig, GARForConditionalGeneration, exist_ok=True)
