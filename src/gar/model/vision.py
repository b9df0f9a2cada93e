"""The vision tower: tiles and mask tiles to patch features.

A plain vision transformer in the shape of Perception Encoder (arXiv 2504.13181) with GAR's one addition: the
embedding of the mask is added to the patch features right after the stem. Choices:

* the mask embedding is one bias-free convolution over the binary mask, zero at first, so that a fresh GAR equals
  the model it starts from;
* position comes twice: a learned absolute embedding (added once) and two-dimensional rotary embedding (in every
  block, on interleaved channel pairs, never on the class token);
* pre-norm blocks with layer scale, erf GELU, no final norm.

Shapes: T tiles, S tile side, N patches of a tile, C width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from gar.model.configuration import GARVisionConfig
from gar.model.stem import build_stem

__all__ = ["GARVisionTower", "axial_rope"]


def axial_rope(grid_size: int, head_dim: int, *, theta: float, offset: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Sine and cosine of the two-dimensional rotary embedding.

    The first half of the channels turns with the column, the second with the row; two neighbouring channels share an
    angle.

    Args:
        grid_size: Patches along one side.
        head_dim: Channels of one attention head, a multiple of 4.
        theta: Base of the frequencies theta^(-k / (head_dim / 4)).
        offset: Added to the positions 0 … grid_size - 1.

    Returns:
        Two tensors (N, head_dim) in float32.
    """
    frequencies = 1.0 / theta ** (torch.arange(head_dim // 4, dtype=torch.float32) / (head_dim // 4))
    positions = torch.arange(grid_size, dtype=torch.float32) + offset
    rows, columns = torch.meshgrid(positions, positions, indexing="ij")
    angles = torch.cat([columns.reshape(-1, 1) * frequencies, rows.reshape(-1, 1) * frequencies], dim=1)
    return angles.sin().repeat_interleave(2, dim=1), angles.cos().repeat_interleave(2, dim=1)


def _rotate(x: torch.Tensor, sin: torch.Tensor, cos: torch.Tensor) -> torch.Tensor:
    """Rotates channel pairs (0, 1), (2, 3), … of x (T, heads, N, head_dim)."""
    turned = torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).flatten(-2)
    return x * cos + turned * sin


def _eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: object,
) -> tuple[torch.Tensor, torch.Tensor]:
    weights = (query @ key.transpose(-1, -2) * scaling).softmax(-1)
    return (weights @ value).transpose(1, 2).contiguous(), weights


class _Attention(nn.Module):
    is_causal = False

    def __init__(self, config: GARVisionConfig):
        super().__init__()
        self.config = config
        self.num_heads = config.num_attention_heads
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.prefix = int(config.use_cls_token)
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: torch.Tensor, sin: torch.Tensor, cos: torch.Tensor) -> torch.Tensor:
        tiles, length, width = x.shape
        qkv = self.qkv(x).view(tiles, length, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)  # (T, heads, N, head_dim) each
        if self.prefix:  # the class token has no place, so it is not rotated
            query = torch.cat([query[:, :, :1], _rotate(query[:, :, 1:], sin, cos)], dim=2)
            key = torch.cat([key[:, :, :1], _rotate(key[:, :, 1:], sin, cos)], dim=2)
        else:
            query, key = _rotate(query, sin, cos), _rotate(key, sin, cos)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, _eager_attention)
        attended, _ = attend(self, query, key, value, None, scaling=self.head_dim**-0.5, dropout=0.0, is_causal=False)
        return self.proj(attended.reshape(tiles, length, width))


class _FeedForward(nn.Module):
    def __init__(self, config: GARVisionConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class GARVisionBlock(GradientCheckpointingLayer):
    """Attention and feed-forward, each normalised before and scaled after."""

    def __init__(self, config: GARVisionConfig):
        super().__init__()
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attn = _Attention(config)
        self.gamma_1 = nn.Parameter(torch.full((config.hidden_size,), config.layer_scale_init))
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = _FeedForward(config)
        self.gamma_2 = nn.Parameter(torch.full((config.hidden_size,), config.layer_scale_init))

    def forward(self, x: torch.Tensor, sin: torch.Tensor, cos: torch.Tensor) -> torch.Tensor:
        """(T, N, C) → (T, N, C)."""
        x = x + self.gamma_1 * self.attn(self.norm1(x), sin, cos)
        return x + self.gamma_2 * self.mlp(self.norm2(x))


class GARVisionTower(PreTrainedModel):
    """Tiles and mask tiles to patch features."""

    config_class = GARVisionConfig
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["GARVisionBlock"]  # noqa: RUF012 (the library's own type)
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: GARVisionConfig):
        super().__init__(config)
        patches = config.grid_size**2
        self.patch_embed = build_stem(config)
        self.mask_embed = nn.Conv2d(3, config.hidden_size, config.patch_size, config.patch_size, bias=False)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size)) if config.use_cls_token else None
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + int(config.use_cls_token), config.hidden_size))
        self.norm_pre = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.blocks = nn.ModuleList(GARVisionBlock(config) for _ in range(config.num_hidden_layers))
        sin, cos = self.compute_rope()
        self.register_buffer("rope_sin", sin, persistent=False)
        self.register_buffer("rope_cos", cos, persistent=False)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, GARVisionTower):
            init.zeros_(module.mask_embed.weight)  # a fresh GAR equals the model it starts from
            init.normal_(module.pos_embed, std=module.config.initializer_range)
            if module.cls_token is not None:
                init.normal_(module.cls_token, std=module.config.initializer_range)
            sin, cos = module.compute_rope()
            init.copy_(module.rope_sin, sin)
            init.copy_(module.rope_cos, cos)
        elif isinstance(module, GARVisionBlock):
            init.constant_(module.gamma_1, self.config.layer_scale_init)
            init.constant_(module.gamma_2, self.config.layer_scale_init)

    def compute_rope(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The rotary tables of this tower, see `axial_rope`."""
        config = self.config
        return axial_rope(
            config.grid_size,
            config.hidden_size // config.num_attention_heads,
            theta=config.rope_theta,
            offset=config.rope_grid_offset,
        )

    def forward(
        self,
        pixel_values: torch.Tensor | None,
        mask_values: torch.Tensor,
        patch_features: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Looks at tiles, told by their masks where to look.

        Args:
            pixel_values: (T, 3, S, S) in [-1, 1].
            mask_values: (T, 1, S, S), 0 outside all regions.
            patch_features: What the stem made of the tiles before, in place of `pixel_values`.

        Returns:
            (T, N, C), the class token dropped.
        """
        dtype = self.mask_embed.weight.dtype
        if patch_features is None:
            patch_features = self.patch_embed(pixel_values.to(dtype))
        x = self.patch_embed.project(patch_features.to(dtype))  # (T, N, C)
        mask = (mask_values != 0).to(dtype).expand(-1, 3, -1, -1)  # the union, in three equal channels, as published
        x = x + self.mask_embed(mask).flatten(2).transpose(1, 2)
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.norm_pre(x + self.pos_embed)
        sin, cos = self.rope_sin.to(dtype), self.rope_cos.to(dtype)
        for block in self.blocks:
            x = block(x, sin, cos)
        return x if self.cls_token is None else x[:, 1:]
