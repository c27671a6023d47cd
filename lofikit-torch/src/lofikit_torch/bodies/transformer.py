"""The causal transformer over a sliding window, with rotary positions."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from lofikit.models.configs import TransformerConfig
from lofikit.models.families.transformer import block_names
from lofikit.streaming.attention import rotary_frequencies
from lofikit_torch.bodies.base import Body, Memory
from lofikit_torch.layers import Dense, History, dropout_masks, rms_norm


class Past:
    """What a piece of a history attends to of the frames before it.

    Attributes:
        frames: How many frames came before the piece.
        caches: The keys and values of each block.
    """

    def __init__(self, config: TransformerConfig, like: Tensor) -> None:
        self.frames = 0
        self.span = config.attention_window - 1
        width = 2 * config.kv_heads * config.head_width
        self.caches = [History(like.shape[0], self.span, width, like) for _ in range(config.layers)]


class Positions:
    """How the frames of a piece are turned, and which frames they attend to.

    Args:
        config: The model's options.
        time: Frames of the piece.
        past: What came before it, or None for nothing.
        like: Gives the device and the type.
    """

    def __init__(
        self, config: TransformerConfig, time: int, past: Past | None, like: Tensor
    ) -> None:
        first = past.frames if past else 0
        numbers = torch.arange(first, first + time, device=like.device)
        frequencies = rotary_frequencies(config.head_width)
        # In float64, so that the angles stay exact in a stream of any length.
        angles = numbers[:, None].cpu().double() * torch.from_numpy(frequencies).double()
        self.cosines = angles.cos().to(like)
        self.sines = angles.sin().to(like)
        span = past.span if past else 0
        keys = torch.arange(first - span, first + time, device=like.device)
        distance = numbers[:, None] - keys
        heard = (distance >= 0) & (distance < config.attention_window) & (keys >= 0)
        # None: the window reaches to the first frame, which torch's own causal kernels do faster.
        self.heard = None if past is None and time <= config.attention_window else heard

    def rotated(self, x: Tensor) -> Tensor:
        """Turns pairs of values of heads (batch, heads, time, width) by their frames' angles."""
        a, b = x.chunk(2, dim=-1)
        cosines, sines = self.cosines, self.sines
        return torch.cat([a * cosines - b * sines, b * cosines + a * sines], dim=-1)


class Block(nn.Module):
    """A pre-norm block; see :class:`lofikit.streaming.attention.TransformerBlock`."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width, hidden = config.width, config.expansion * config.width
        kept = config.kv_heads * config.head_width
        self.head_width, self.sharing = config.head_width, config.heads // config.kv_heads
        self.attention_norm = nn.Parameter(torch.empty(width))
        self.query = nn.Parameter(torch.empty(width, width))
        self.key = nn.Parameter(torch.empty(width, kept))
        self.value = nn.Parameter(torch.empty(width, kept))
        self.output = nn.Parameter(torch.empty(width, width))
        self.mlp_norm = nn.Parameter(torch.empty(width))
        self.up = Dense(width, hidden)
        self.down = Dense(hidden, width)

    def forward(
        self, x: Tensor, positions: Positions, masks: Iterator[Tensor], cache: History | None
    ) -> Tensor:
        """Maps (batch, time, width) to the same shape."""
        branch = self._attention(rms_norm(x, self.attention_norm), positions, cache)
        x = x + _dropped(branch, masks)
        hidden = functional.gelu(self.up(rms_norm(x, self.mlp_norm)))
        return x + _dropped(self.down(hidden), masks)

    def _attention(self, x: Tensor, positions: Positions, cache: History | None) -> Tensor:
        query, key, value = (x @ matrix for matrix in (self.query, self.key, self.value))
        query = positions.rotated(self._split(query))
        key = positions.rotated(self._split(key))
        if cache is not None:
            key, value = cache.append(torch.cat([_merged(key), value], dim=2)).chunk(2, dim=2)
            key = self._split(key)
        key, value = (
            part.repeat_interleave(self.sharing, dim=1) for part in (key, self._split(value))
        )
        heard = positions.heard
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=heard, is_causal=heard is None
        )
        return _merged(mixed) @ self.output

    def _split(self, x: Tensor) -> Tensor:
        """Cuts (batch, time, width) in heads: (batch, heads, time, head width)."""
        return x.unflatten(2, (-1, self.head_width)).transpose(1, 2)


class Transformer(Body):
    """An entry, blocks, and a norm, with dropout at the end of each branch."""

    def __init__(self, config: TransformerConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        self.entry = Dense(inputs, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.Parameter(torch.empty(config.width))

    def forward(self, x: Tensor, masks: list[Tensor], memory: Memory | None = None) -> Tensor:
        """See :class:`Body`."""
        x = self.entry(x)
        if memory is not None and not memory:
            memory.append(Past(self.config, x))
        past = memory[0] if memory else None
        positions = Positions(self.config, x.shape[1], past, x)
        drops = iter(masks)
        for index, block in enumerate(self.blocks):
            x = block(x, positions, drops, past.caches[index] if past else None)
        if past:
            past.frames += x.shape[1]
        return rms_norm(x, self.norm)

    def weights(self) -> dict[str, nn.Parameter]:
        """See :class:`Body`."""
        found = {"entry.weight": self.entry.weight, "entry.bias": self.entry.bias}
        for name, block in zip(block_names(self.config), self.blocks, strict=True):
            parameters = dict(block.named_parameters())
            for field in BLOCK_FIELDS:
                found[f"{name}.{field}"] = parameters[field]
        return {**found, "norm": self.norm}

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """See :class:`Body`."""
        shape = (batch, time, self.config.width)
        return dropout_masks(2 * len(self.blocks), shape, self.config.dropout, generator)


BLOCK_FIELDS = (
    "attention_norm",
    "query",
    "key",
    "value",
    "output",
    "mlp_norm",
    "up.weight",
    "up.bias",
    "down.weight",
    "down.bias",
)
"""The weights of a block, in core's order."""


def _merged(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)


def _dropped(branch: Tensor, masks: Iterator[Tensor]) -> Tensor:
    mask = next(masks, None)
    return branch if mask is None else branch * mask
