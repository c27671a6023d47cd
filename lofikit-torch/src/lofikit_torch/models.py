"""The paper's three models in PyTorch."""

from __future__ import annotations

from torch import Tensor

from lofikit.models.base import StepSettings
from lofikit.representations.base import FrameSpec
from lofikit_torch.base import TorchModel
from lofikit_torch.config import TorchLSTMConfig, TorchSeq2SeqConfig, TorchTCNConfig
from lofikit_torch.losses import LOSSES


class _Causal(TorchModel):
    """Models that predict one frame after the other."""

    config: TorchTCNConfig | TorchLSTMConfig

    @property
    def chunk(self) -> int:
        """The window, and the target of its last frame."""
        return self.config.window + 1

    def _given(self, examples: Tensor) -> Tensor:
        return examples[:, :-1]

    def _compare(
        self, inputs: Tensor, examples: Tensor, settings: StepSettings, masks: list[Tensor]
    ) -> Tensor:
        last = self.config.targets == "last"
        outputs = self._network(inputs, masks, last=last)
        return LOSSES[settings.loss](outputs, examples[:, -1:] if last else examples[:, 1:])


class TorchTCN(_Causal):
    """The temporal convolutional network (paper: model 3), of keras-tcn's blocks."""

    config: TorchTCNConfig

    @property
    def context(self) -> int:
        """The receptive field: from there on, a prediction sees nothing but given frames."""
        return self.config.receptive_field

    @property
    def receptive_field(self) -> int:
        """Past frames that a prediction depends on."""
        return self.config.receptive_field

    def _given(self, examples: Tensor) -> Tensor:
        if self.config.targets == "last":
            # The last prediction sees no further, so the rest of the window need not be computed.
            return examples[:, -1 - self.receptive_field : -1]
        return examples[:, :-1]

    def _cpu_micro_batch(self) -> int:
        # What a few thousand frames need stays in the cache; more only costs page faults.
        frames = self.config.window
        if self.config.targets == "last":
            frames = min(frames, self.receptive_field)
        return max(1, 4096 // frames)


class TorchLSTM(_Causal):
    """The recurrent baseline (paper: model 1)."""

    config: TorchLSTMConfig

    @property
    def context(self) -> int:
        """The window that it was trained on."""
        return self.config.window

    def _cpu_micro_batch(self) -> int:
        return 32


class TorchSeq2Seq(TorchModel):
    """The encoder-decoder over blocks of frames (paper: model 2)."""

    config: TorchSeq2SeqConfig

    def __init__(self, config: TorchSeq2SeqConfig, spec: FrameSpec, seed: int) -> None:
        super().__init__(config, spec, seed)
        self.block = config.block

    @property
    def chunk(self) -> int:
        """A block that is read, and the one after it that is written."""
        return 2 * self.config.block

    @property
    def context(self) -> int:
        """One block."""
        return self.config.block

    @property
    def receptive_field(self) -> int:
        """One block."""
        return self.config.block

    def _given(self, examples: Tensor) -> Tensor:
        return examples[:, : self.block]

    def _compare(
        self, inputs: Tensor, examples: Tensor, settings: StepSettings, masks: list[Tensor]
    ) -> Tensor:
        return LOSSES[settings.loss](self._network(inputs, masks), examples[:, self.block :])

    def _cpu_micro_batch(self) -> int:
        return 64
