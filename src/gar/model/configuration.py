"""The settings of a GAR model: plain numbers, no modules.

One configuration class serves our own checkpoints and the published ones (`config.json` with
`model_type: "GAR"` and an `mllm_config`): `GARConfig.from_dict` recognises the published layout and translates
it, so `AutoConfig.from_pretrained` works on both without remote code. The imports are kept to what transformers'
Auto classes themselves need, because the class is registered while transformers is still being imported.

Configurations come with checkpoints, so of strangers: types are checked by `@strict`, which does not see annotations
that are strings (so no `annotations` of the future here); ranges by `_check_ranges`, so that no number makes loading or
asking take hours or terabytes.
"""

import reprlib
from importlib import import_module
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec
from transformers.models.auto.configuration_auto import AutoConfig

from gar.errors import CheckpointError
from gar.model.published import translate_published

__all__ = ["GARConfig", "GARVisionConfig"]

_VISION_RANGES = {
    "image_size": (1, 4096),
    "patch_size": (1, 4096),
    "stem_classes": (0, 100_000),
    "hidden_size": (4, 65_536),
    "num_hidden_layers": (1, 1000),
    "num_attention_heads": (1, 1024),
    "intermediate_size": (1, 1_000_000),
    "layer_norm_eps": (0.0, 1.0),
    "layer_scale_init": (-1e6, 1e6),
    "rope_theta": (1.0, 1e12),
    "rope_grid_offset": (-1e6, 1e6),
    "initializer_range": (0.0, 1.0),
}

_TEXT_RANGES = {
    "vocab_size": (1, 10_000_000),
    "hidden_size": (1, 65_536),
    "intermediate_size": (1, 1_000_000),
    "num_hidden_layers": (1, 1000),
    "num_attention_heads": (1, 1024),
    "num_key_value_heads": (1, 1024),
    "rms_norm_eps": (0.0, 1.0),
}

_RANGES = {
    "image_token_id": (0, 10_000_000),
    "projector_pooling_ratio": (1, 4096),
    "image_pooling_ratio": (1, 4096),
    "replay_size": (0, 64),
    "replay_spatial_scale": (1e-6, 1.0),
}

_MAX_REGIONS = 8
"""A mask tile has one bit for each region of a picture."""

_MAX_CLOSEUP = 1024

_MAX_COLOR_LEVELS = 16

_MAX_OUTLINE = 64


@strict
class GARVisionConfig(PreTrainedConfig):
    """The vision tower.

    Example:
        >>> GARVisionConfig(image_size=448, patch_size=14).grid_size
        32
    """

    model_type = "gar_vision"
    base_config_key = "vision_config"

    image_size: int = 448
    """Side of a tile in pixels."""
    patch_size: int = 14
    """Side of a patch in pixels; also the stride of the mask embedding."""
    stem: Literal["patch", "efficientnet-lite0"] = "patch"
    """How pixels become patch features: one convolution, or a pretrained convolutional network of stride 16."""
    stem_classes: int = 0
    """Classes that the pretrained stem can tell, if its own classifier is kept (ImageNet: 1000); 0 leaves it out."""
    hidden_size: int = 1024
    """Width of the transformer."""
    num_hidden_layers: int = 23
    """Transformer blocks."""
    num_attention_heads: int = 16
    """Attention heads of each block."""
    intermediate_size: int = 4096
    """Width inside the feed-forward of each block."""
    use_cls_token: bool = True
    """Whether a class token goes through the blocks (it is dropped before the projector)."""
    layer_norm_eps: float | int = 1e-5
    """Epsilon of every LayerNorm."""
    layer_scale_init: float | int = 0.1
    """Initial value of the two scales of each block."""
    rope_theta: float | int = 10000.0
    """Base of the rotary position embedding."""
    rope_grid_offset: float | int = 1.0
    """Added to the grid positions 0, 1, … before rotation: 1 for PE-Core L/14, 0 for G/14."""
    initializer_range: float | int = 0.02
    """Standard deviation of fresh weights."""

    @property
    def grid_size(self) -> int:
        """Patches along one side of a tile."""
        return self.image_size // self.patch_size

    def validate_architecture(self):
        """Part of `@strict` validation: the numbers must be sane and fit one another."""
        _check_ranges(self, _VISION_RANGES)
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}")
        if self.hidden_size % (4 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of 4 × {self.num_attention_heads} attention heads"
            )
        if self.stem == "efficientnet-lite0" and self.patch_size != 16:
            raise ValueError(f"patch_size {self.patch_size} with stem 'efficientnet-lite0': must be 16")
        if self.stem == "patch" and self.stem_classes:
            raise ValueError(f"stem_classes {self.stem_classes} with stem 'patch', which knows no classes: must be 0")


@strict
class GARConfig(PreTrainedConfig):
    """A GAR model: vision tower, projector, replay and Llama decoder.

    Example:
        >>> config = GARConfig()
        >>> config.tokens_per_tile, config.replay_tokens, config.max_regions
        (256, 256, 5)
    """

    model_type = "GAR"
    sub_configs_defaults = {  # noqa: RUF012 (the library's own type)
        "vision_config": SubConfigSpec(config_class=GARVisionConfig, model_type="gar_vision"),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }

    vision_config: Any = None
    """A `GARVisionConfig`, or its settings as a dictionary."""
    text_config: Any = None
    """A `LlamaConfig`, or its settings as a dictionary."""
    image_token_id: int = 128002
    """The token whose places take the tiles' features."""
    crop_token_ids: list[int] | tuple[int, ...] = (128004, 128005, 128008, 128010, 128011)
    """One token a prompt: its places take that region's replay tokens. Their number is the most regions at once."""
    use_thumbnail: bool = True
    """Whether the whole picture in one tile comes before the tiles."""
    projector_pooling_ratio: int = 2
    """Average pooling of the projected patch features, along each side."""
    image_pooling_ratio: int = 1
    """Further pooling of the image tokens alone; RoIAlign still sees the finer map."""
    replay_size: int = 16
    """RoIAlign's output is replay_size × replay_size; 0: nothing is replayed, only the mask embedding shows regions."""
    replay_spatial_scale: float | int = 1.0
    """1.0: RoIAlign where the region is. 1/28: as published checkpoints were trained (always near the top left)."""
    region_crops: bool = False
    """Whether each region is looked at once more, enlarged in a tile of its own, whose features take the place of those
    that RoIAlign reads off the picture's map."""
    mask_token: bool = False
    """Whether one mask-weighted token follows the RoIAlign grid of each region."""
    stem_embedding: bool = False
    """Whether the mask-weighted token also holds what a pretrained stem, before the tower, sees in the region: the mean
    and the standard deviation of each channel."""
    stem_dropout: float | int = 0.0
    """Share of what the stem sees that is left out while training, so that few pictures are not learnt by heart."""
    closeup_size: int = 0
    """Side in pixels of the close-up of each region that the stem looks at to see what it shows (`stem_embedding`,
    `class_token_ids`): a multiple of 32. 0: it sees that in the picture itself, where a small one is a few patches."""
    color_levels: int = 0
    """Levels each of red, green and blue: the mask-weighted token also says how much of the region, in its close-up,
    has each of the color_levels³ colors. 0: it does not."""
    box_embedding: bool = False
    """Whether the mask-weighted token also says, exactly, where the region's box lies."""
    outline_size: int = 0
    """Side of the grid in which the mask-weighted token also says what the region's own mask and those of other prompts
    cover of its box, by which one that is in front is told from one behind. 0: it does not."""
    prompt_token_ids: list[int] | tuple[int, ...] = ()
    """The tokens `<Prompt0>`, `<Prompt1>`, …: what speaks for a region, brought to the length of the token's own
    embedding, is added to each mention of it. Empty, as published: a mention is a word like any other, and only the
    crop tokens show the region."""
    class_token_ids: list[int] | tuple[int, ...] = ()
    """The word for each class of the pretrained stem, -1 for none: the classes that the stem sees in a region enter
    its mask-weighted token as the embeddings of their words. Empty: not."""
    class_scale: float | int = 1.0
    """How loud those words are. Not learnt: on few photographs, which are soon known by heart, a model would learn to
    hear the classifier of a million less than it deserves."""
    echo_token_ids: list[list[list[int]]] | tuple[()] = ()
    """Groups of words, the tokens of each (all nouns, all materials): of each group the word that a region's
    mask-weighted token points at most is added to that token, so that the decoder writes what the region points at
    where that is in doubt, too. Empty: not."""
    echo_scale: float | int = 1.0
    """How loud those words are."""
    tie_word_embeddings: bool | None = None
    """Whether the language head is the embedding matrix; by default what text_config says."""

    def __post_init__(self, **kwargs: Any):
        super().__post_init__(**kwargs)
        if self.tie_word_embeddings is None:
            self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", False))
        _check_ranges(self, _RANGES)
        if self.text_config.model_type != "llama":
            raise CheckpointError(
                f"text_config is of model_type {self.text_config.model_type!r}; the decoder is 'llama'"
            )
        _check_ranges(self.text_config, _TEXT_RANGES)
        if self.vision_config.grid_size % self.projector_pooling_ratio or (
            self.feature_grid_size % self.image_pooling_ratio
        ):
            raise CheckpointError(
                f"projector_pooling_ratio {self.projector_pooling_ratio} and image_pooling_ratio "
                f"{self.image_pooling_ratio} do not divide the {self.vision_config.grid_size} patches of a tile's side"
            )
        crops = self.crop_token_ids
        if not 1 <= len(crops) <= _MAX_REGIONS or len({self.image_token_id, *crops}) <= len(crops) or min(crops) < 0:
            raise CheckpointError(
                f"crop_token_ids are {reprlib.repr(crops)} with image_token_id {self.image_token_id}; "
                f"needed are 1 to {_MAX_REGIONS} tokens that differ"
            )
        if self.prompt_token_ids and len(self.prompt_token_ids) != len(self.crop_token_ids):
            raise CheckpointError(
                f"{len(self.prompt_token_ids)} prompt_token_ids and {len(self.crop_token_ids)} crop_token_ids: "
                f"give one a prompt of each, or no prompt_token_ids"
            )
        if self.class_token_ids and not (
            self.mask_token and len(self.class_token_ids) == self.vision_config.stem_classes
        ):
            raise CheckpointError(
                f"{len(self.class_token_ids)} class_token_ids with stem_classes {self.vision_config.stem_classes} and "
                f"mask_token {self.mask_token}: the numbers must agree, and mask_token must be true"
            )
        if self.region_crops and not self.replay_size:
            raise CheckpointError("replay_size is 0; at least 1 is needed with region_crops")
        if self.prompt_token_ids and not self.replay_tokens:
            raise CheckpointError("prompt_token_ids with replay_size 0 and no mask_token: nothing speaks for a region")
        if self.stem_embedding and not (self.mask_token and self.vision_config.stem != "patch"):
            raise CheckpointError(
                f"stem_embedding is true with mask_token {self.mask_token} and stem {self.vision_config.stem!r}: "
                f"it needs a mask-weighted token to enter, and a pretrained stem"
            )
        if self.closeup_size and not (self.stem_embedding or self.class_token_ids):
            raise CheckpointError(
                f"closeup_size is {self.closeup_size}, but what the stem sees of a region is not asked for; "
                f"set stem_embedding or class_token_ids"
            )
        if self.closeup_size % 32 or not 0 <= self.closeup_size <= _MAX_CLOSEUP:
            raise CheckpointError(
                f"closeup_size is {self.closeup_size}; needed is a multiple of 32 up to {_MAX_CLOSEUP}, or 0"
            )
        if not 0 <= self.color_levels <= _MAX_COLOR_LEVELS or (self.color_levels and not self.closeup_size):
            raise CheckpointError(
                f"color_levels is {self.color_levels} with closeup_size {self.closeup_size}; needed is a number up to "
                f"{_MAX_COLOR_LEVELS}, and close-ups in which colors are seen"
            )
        if not 0.0 <= self.stem_dropout < 1.0:
            raise CheckpointError(f"stem_dropout is {self.stem_dropout}; needed is a share from 0 up to but not 1")
        if not 0.0 < self.class_scale < float("inf"):
            raise CheckpointError(f"class_scale is {self.class_scale}; needed is a number above 0")
        if self.echo_token_ids and not self.mask_token:
            raise CheckpointError("echo_token_ids are given and mask_token is false: only a mask-weighted token points")
        known = range(self.text_config.vocab_size)
        prompts = self.prompt_token_ids
        if len({*prompts}) < len(prompts) or any(token not in known for token in prompts):
            raise CheckpointError(
                f"prompt_token_ids are {reprlib.repr(prompts)}; needed are different ones of the {len(known)} known"
            )
        if any(token != -1 and token not in known for token in self.class_token_ids):
            raise CheckpointError(f"class_token_ids has a token that is none of the {len(known)} known, nor -1")
        words = [word for group in self.echo_token_ids for word in group]
        if not all([*self.echo_token_ids, *words]) or any(token not in known for word in words for token in word):
            raise CheckpointError(
                f"echo_token_ids has an empty group or word, or a token that is none of the {len(known)} known"
            )
        if not 0.0 < self.echo_scale < float("inf"):
            raise CheckpointError(f"echo_scale is {self.echo_scale}; needed is a number above 0")
        if self.box_embedding and not self.mask_token:
            raise CheckpointError("box_embedding is true and mask_token false: the box enters the mask-weighted token")
        if not 0 <= self.outline_size <= _MAX_OUTLINE or (self.outline_size and not self.mask_token):
            raise CheckpointError(
                f"outline_size is {self.outline_size} with mask_token {self.mask_token}; needed is a number up to "
                f"{_MAX_OUTLINE}, and a mask-weighted token to enter"
            )
        import_module("gar.model.modeling")  # registers the model with the Auto classes, see gar.registration

    @property
    def feature_grid_size(self) -> int:
        """Cells along one side of a tile in the map that RoIAlign sees."""
        return self.vision_config.grid_size // self.projector_pooling_ratio

    @property
    def tokens_per_tile(self) -> int:
        """Image tokens of one tile."""
        return (self.feature_grid_size // self.image_pooling_ratio) ** 2

    @property
    def replay_tokens(self) -> int:
        """Replay tokens of one region."""
        return self.replay_size**2 + int(self.mask_token)

    @property
    def max_regions(self) -> int:
        """Most regions that one question can name."""
        return len(self.crop_token_ids)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any):
        """Builds a configuration from our layout or from the published one."""
        if "mllm_config" in config_dict:
            config_dict = translate_published(config_dict)
        return super().from_dict(config_dict, **kwargs)


def _check_ranges(config: PreTrainedConfig, ranges: dict[str, tuple[float, float]]) -> None:
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        if not least <= value <= most:  # so said, it holds for NaN too
            raise CheckpointError(f"{name} of {config.model_type} is {value}; allowed are {least} to {most}")


AutoConfig.register(GARConfig.model_type, GARConfig, exist_ok=True)
AutoConfig.register(GARVisionConfig.model_type, GARVisionConfig, exist_ok=True)
