"""Generating with torch: the window again for each sample, ring buffers, LSTM cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from lofikit.streaming.network import LSTM, TCN, EncoderDecoder, Network

Generate = Callable[[int], np.ndarray]


def _blocks(network: Network) -> list[tuple]:
    layer = network.layers[0]
    assert isinstance(layer, TCN)
    blocks = []
    for block in layer.blocks:
        convs = [
            (torch.from_numpy(c.weight), torch.from_numpy(c.bias), c.dilation) for c in block.convs
        ]
        match = block.match and tuple(map(torch.from_numpy, (block.match.weight, block.match.bias)))
        blocks.append((convs, match))
    return blocks


def window(network: Network, seed: np.ndarray) -> Generate:
    """The whole window through conv1d for each sample."""
    blocks = [
        ([(w.permute(2, 1, 0).contiguous(), b, d) for w, b, d in convs], match)
        for convs, match in _blocks(network)
    ]
    head, bias = torch.from_numpy(network.head.weight), torch.from_numpy(network.head.bias)

    @torch.inference_mode()
    def generate(count: int) -> np.ndarray:
        x = torch.from_numpy(seed).transpose(1, 2).contiguous()
        length = x.shape[2]
        for _ in range(count):
            flow = x[:, :, -length:]
            skip = 0
            for convs, match in blocks:
                branch = flow
                for weight, offset, dilation in convs:
                    branch = functional.pad(branch, ((weight.shape[2] - 1) * dilation, 0))
                    branch = functional.conv1d(branch, weight, offset, dilation=dilation).tanh()
                branch = branch.tanh()
                skip = skip + branch
                if match is not None:
                    flow = functional.conv1d(flow, match[0].T[:, :, None], match[1])
                flow = (flow + branch).tanh()
            new = skip[:, :, -1] @ head + bias
            x = torch.cat([x, new[:, :, None]], dim=2)
        return x[:, :, length:].transpose(1, 2).numpy()

    return generate


def pytorch_tcn(network: Network, seed: np.ndarray) -> Generate:
    """The package pytorch-tcn, streaming: its own weights and blocks, of the same shape."""
    import pytorch_tcn as package

    layer = network.layers[0]
    assert isinstance(layer, TCN)
    first = layer.blocks[0].convs[0]
    streamed = package.TCN(
        num_inputs=first.input_width,
        num_channels=[first.output_width] * len(layer.blocks),
        kernel_size=first.kernel,
        dilations=[block.convs[0].dilation for block in layer.blocks],
        dropout=0.0,
        use_norm=None,
        activation="tanh",
        use_skip_connections=True,
        output_projection=network.input.size,
    ).eval()

    @torch.inference_mode()
    def generate(count: int) -> np.ndarray:
        streamed.reset_buffers()
        x = torch.from_numpy(seed).transpose(1, 2)
        new = streamed(x, inference=True)[:, :, -1:]
        frames = []
        for _ in range(count):
            frames.append(new)
            new = streamed(new, inference=True)
        return torch.cat(frames, dim=2).transpose(1, 2).numpy()

    return generate


def ring_buffers(network: Network, seed: np.ndarray) -> Generate:
    """One frame at a time: each convolution keeps its past inputs, eagerly."""
    blocks = _blocks(network)
    head, bias = torch.from_numpy(network.head.weight), torch.from_numpy(network.head.bias)
    streams = len(seed)

    @torch.inference_mode()
    def generate(count: int) -> np.ndarray:
        stacked = [
            [(w.reshape(-1, w.shape[2]), b, d, w.shape[0]) for w, b, d in convs]
            for convs, _ in blocks
        ]
        rings = [
            [torch.zeros(((k - 1) * d + 1, streams, len(w) // k)) for w, _, d, k in convs]
            for convs in stacked
        ]

        def step(x: torch.Tensor, clock: int) -> torch.Tensor:
            skip = 0
            for convs, own, (_, match) in zip(stacked, rings, blocks, strict=True):
                branch = x
                for (weight, offset, dilation, kernel), ring in zip(convs, own, strict=True):
                    ring[clock % len(ring)] = branch
                    taps = [
                        ring[(clock - tap * dilation) % len(ring)]
                        for tap in range(kernel - 1, -1, -1)
                    ]
                    branch = torch.addmm(offset, torch.cat(taps, dim=1), weight).tanh_()
                branch = branch.tanh()
                skip = skip + branch
                x = x if match is None else torch.addmm(match[1], x, match[0])
                x = (x + branch).tanh_()
            return torch.addmm(bias, skip, head)

        given = torch.from_numpy(seed)
        clock = 0
        for clock in range(given.shape[1]):
            value = step(given[:, clock], clock)
        frames = []
        for _ in range(count):
            clock += 1
            frames.append(value)
            value = step(value, clock)
        return torch.stack(frames, dim=1).numpy()

    return generate


def _lstm(layer: LSTM, *, cell: bool = False) -> torch.nn.Module:
    kind = torch.nn.LSTMCell if cell else torch.nn.LSTM
    module = kind(layer.input_width, layer.output_width)
    arrays = (layer.kernel.T, layer.recurrent.T, layer.bias, np.zeros_like(layer.bias))
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), arrays, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))
    return module


def lstm_cells(network: Network, seed: np.ndarray) -> Generate:
    layer = network.layers[0]
    assert isinstance(layer, LSTM)
    cell = _lstm(layer, cell=True)
    head, bias = torch.from_numpy(network.head.weight), torch.from_numpy(network.head.bias)

    @torch.inference_mode()
    def generate(count: int) -> np.ndarray:
        state = None
        for now in range(seed.shape[1]):
            state = cell(torch.from_numpy(seed[:, now]), state)
        frames = []
        for _ in range(count):
            frames.append(state[0] @ head + bias)
            state = cell(frames[-1], state)
        return torch.stack(frames, dim=1).numpy()

    return generate


def encoder_decoder_int8(network: EncoderDecoder, seed: np.ndarray) -> Generate:
    """With torch's dynamic quantisation of all matrices."""
    return encoder_decoder(network, seed, int8=True)


def encoder_decoder(network: EncoderDecoder, seed: np.ndarray, *, int8: bool = False) -> Generate:
    head = torch.nn.Linear(network.head.input_width, network.head.output_width)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(network.head.weight.T.copy()))
        head.bias.copy_(torch.from_numpy(network.head.bias))
    modules = torch.nn.ModuleList([_lstm(network.encoder), _lstm(network.decoder), head])
    if int8:
        kinds = {torch.nn.LSTM, torch.nn.Linear}
        modules = torch.ao.quantization.quantize_dynamic(modules, kinds, dtype=torch.qint8)
    encoder, decoder, head = modules

    @torch.inference_mode()
    def generate(count: int) -> np.ndarray:
        block = torch.from_numpy(seed).transpose(0, 1)
        parts = []
        for _ in range(-(-count // network.block)):
            _, (context, _) = encoder(block)
            block = head(decoder(context.expand(network.block, -1, -1))[0])
            parts.append(block)
        return torch.cat(parts).transpose(0, 1)[:, :count].numpy()

    return generate
