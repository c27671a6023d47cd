"""Options of the models that backends share, the same in every one.

A backend derives from these and adds its own (a device, a precision), so that a recipe serves
any backend and weights can cross. The paper is Xu and Swar, "Lo-Fi Music Generation with
Sequential Models".
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from lofikit.options import Options, option
from lofikit.streaming.bank import Method

Activation = Literal[
    "linear",
    "relu",
    "tanh",
    "sigmoid",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "silu",
    "softplus",
    "leaky_relu",
]
Positive = Annotated[int, Field(ge=1)]


class CausalConfig(Options):
    """Options that all models of one frame after the other share."""

    targets: Literal["all", "last"] = option(
        "all",
        "Positions of a chunk that are learned from: every one, or the last alone (the paper's).",
    )
    embedding: int = option(
        0,
        "Width of a learned embedding of each class; 0 feeds classes as numbers in [-1, 1].",
        unit="values",
        ge=0,
    )
    head: Literal["categorical", "logistics"] = option(
        "categorical",
        "What gives the probabilities of classes: a logit for each, or a mixture of logistic "
        "distributions over their order, which learns sooner from few clips.",
    )
    mixtures: int = option(10, "Distributions of a mixture.", ge=1, le=100)
    predictor: Method = option(
        "none",
        "Adaptive linear prediction beside the network: the mixture is centred on its prediction "
        "of the next sample and scaled by its running error, and both go in. Of head logistics "
        "and mu-law samples.",
    )
    predictor_order: int = option(
        32, "Past samples of the predictor; see core/linear.", unit="samples", ge=1, le=1024
    )
    input_noise: float = option(
        0.0,
        "Standard deviation of Gaussian noise added to real-valued inputs while training, "
        "against drift when predictions are fed back.",
        unit="full scale",
        ge=0.0,
        le=1.0,
    )


class TCNConfig(CausalConfig):
    """Options of the temporal convolutional network (paper: model 3; block: keras-tcn's)."""

    window: int = option(
        512, "Inputs of a training example (the paper's 512).", unit="frames", ge=1
    )
    filters: int = option(64, "Filters of each convolution.", ge=1)
    kernel_size: int = option(2, "Taps of each convolution (the paper's 2 to 8).", ge=1)
    dilations: tuple[Positive, ...] = option(
        (1, 2, 4, 8, 16, 32),
        "Dilation of each residual block of a stack.",
        unit="frames",
        min_length=1,
    )
    stacks: int = option(1, "How often the dilations are repeated.", ge=1)
    activation: Activation = option("tanh", "Activation of convolutions and blocks.")
    skips: bool = option(True, "Sum the branches of all blocks instead of taking the last block.")
    dropout: float = option(0.0, "Share of channels dropped while training.", ge=0.0, lt=1.0)

    @property
    def receptive_field(self) -> int:
        """Past frames that a prediction depends on: 1 + 2 (k - 1) stacks sum(dilations)."""
        return 1 + 2 * (self.kernel_size - 1) * self.stacks * sum(self.dilations)


class CarriedConfig(CausalConfig):
    """Options of models whose state has no end."""

    carry: int = option(
        1,
        "Chunks in a row through which the state is carried in training (truncated "
        "backpropagation through time: gradients end with a chunk, the state goes on); 1 starts "
        "each chunk from nothing.",
        unit="chunks",
        ge=1,
    )

    @model_validator(mode="after")
    def _carries_what_it_reads(self) -> Self:
        if self.carry > 1 and (self.targets == "last" or self.predictor != "none"):
            other = "targets last" if self.targets == "last" else f"predictor {self.predictor}"
            raise ValueError(f"carry {self.carry} cannot be had with {other}; leave one of them")
        return self


class LSTMConfig(CarriedConfig):
    """Options of the recurrent baseline (paper: model 1, 500 samples in, one out)."""

    window: int = option(500, "Inputs of a training example.", unit="frames", ge=1)
    units: int = option(128, "Units of each layer.", ge=1)
    layers: int = option(1, "LSTM layers.", ge=1)
    dropout: float = option(
        0.0, "Share of outputs dropped after each layer while training.", ge=0.0, lt=1.0
    )


class SequenceConfig(CausalConfig):
    """Options of the models meant for frames of codes, some tens of frames a second."""

    window: int = option(512, "Inputs of a training example.", unit="frames", ge=1)
    embedding: int = option(
        64,
        "Width of a learned embedding of each class id of a frame; 0 feeds ids as numbers in "
        "[-1, 1]. Real values go in as they are.",
        unit="values",
        ge=0,
    )
    id_noise: float = option(
        0.0,
        "Share of input class ids that are replaced by random ones while training, against drift "
        "when predictions are fed back; the place in the beat and the like are left as they are.",
        ge=0.0,
        lt=1.0,
    )


class GRUConfig(SequenceConfig, CarriedConfig):
    """Options of the gated recurrent network (Cho et al. 2014)."""

    units: int = option(256, "Units of each layer.", ge=1)
    layers: int = option(2, "GRU layers.", ge=1)
    dropout: float = option(
        0.1, "Share of outputs dropped after each layer while training.", ge=0.0, lt=1.0
    )


class TransformerConfig(SequenceConfig):
    """Options of the causal transformer (Vaswani et al. 2017; blocks of Xiong et al. 2020)."""

    width: int = option(256, "Values a frame between the blocks.", unit="values", ge=1)
    layers: int = option(4, "Blocks of attention and a multilayer perceptron.", ge=1)
    heads: int = option(4, "Heads that share the width of an attention, evenly.", ge=1)
    kv_heads: int = option(
        1,
        "Heads of keys and values, which the heads share; must divide their number. Each is read "
        "again for every frame that is generated; as many as heads: none is shared.",
        ge=1,
    )
    attention_window: int = option(
        344,
        "Frames that a frame attends to, itself included; 344 are 10 s of codes. Layers add up: "
        "the receptive field is layers * (attention_window - 1) + 1.",
        unit="frames",
        ge=1,
    )
    expansion: int = option(
        2, "Width of the multilayer perceptrons, in widths of the network.", ge=1
    )
    dropout: float = option(
        0.1, "Share of each branch's values dropped while training.", ge=0.0, lt=1.0
    )

    @property
    def head_width(self) -> int:
        """Values of a head."""
        return self.width // self.heads

    @property
    def receptive_field(self) -> int:
        """Past frames that a prediction depends on: layers (attention_window - 1) + 1."""
        return self.layers * (self.attention_window - 1) + 1

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> TransformerConfig:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} cannot be shared by {self.heads} heads of an even width each"
            )
        if self.heads % self.kv_heads:
            raise ValueError(
                f"{self.heads} heads cannot share {self.kv_heads} kv_heads evenly: "
                f"kv_heads must divide heads"
            )
        return self


class LRUConfig(CarriedConfig):
    """Options of blocks of diagonal linear recurrences (Orvieto et al. 2023)."""

    window: int = option(1024, "Inputs of a training example.", unit="frames", ge=1)
    blocks: int = option(4, "Blocks: a recurrence and a gated layer, added to their input.", ge=1)
    width: int = option(64, "Values a frame between blocks.", ge=1)
    states: int = option(64, "Complex numbers that each recurrence keeps.", ge=1)
    least_radius: float = option(
        0.5, "Least magnitude of a recurrence's factors before training.", gt=0.0, lt=1.0
    )
    greatest_radius: float = option(
        0.999,
        "Greatest magnitude before training; of r, a state forgets in about 1 / (1 - r) frames.",
        gt=0.0,
        lt=1.0,
    )
    dropout: float = option(
        0.0, "Share of channels of each block's branch dropped while training.", ge=0.0, lt=1.0
    )


class WaveNetConfig(CausalConfig):
    """Options of the gated convolutional network (van den Oord et al. 2016)."""

    window: int = option(2048, "Inputs of a training example.", unit="frames", ge=1)
    channels: int = option(64, "Channels between blocks, and of each block's gate.", ge=1)
    skips: int = option(64, "Channels that each block gives to the output.", ge=1)
    kernel_size: int = option(2, "Taps of each convolution.", ge=1)
    dilations: tuple[Positive, ...] = option(
        (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        "Dilation of each block.",
        unit="frames",
        min_length=1,
    )

    @property
    def receptive_field(self) -> int:
        """Past frames that a prediction depends on: 1 + (k - 1) sum(dilations)."""
        return 1 + (self.kernel_size - 1) * sum(self.dilations)


class SampleRNNConfig(CarriedConfig):
    """Options of the two-tier recurrent network (Mehri et al. 2017)."""

    window: int = option(1024, "Inputs of a training example.", unit="frames", ge=1)
    frame: int = option(
        16,
        "Samples between two steps of the upper tier, and those that each tier sees at once; a "
        "power of two.",
        unit="frames",
        ge=1,
        le=256,
    )
    units: int = option(256, "Units of the upper tier's GRU.", ge=1)
    width: int = option(64, "Values of each hidden layer of the lower tier.", ge=1)

    @field_validator("frame")
    @classmethod
    def _power_of_two(cls, frame: int) -> int:
        if frame & (frame - 1):
            raise ValueError(f"{frame} is no power of two; take 8, 16 or 32")
        return frame


class Seq2SeqConfig(Options):
    """Options of the encoder-decoder over frames (paper: model 2, 20 frames to 20)."""

    block: int = option(
        20, "Frames that the encoder reads, and the decoder writes.", unit="frames", ge=1
    )
    units: int = option(2048, "Units of the encoder and of the decoder.", ge=1)
    dropout: float = option(0.0, "Share of the code dropped while training.", ge=0.0, lt=1.0)
    input_noise: float = option(
        0.0,
        "Standard deviation of Gaussian noise added to real-valued inputs while training.",
        unit="values of a frame",
        ge=0.0,
    )
