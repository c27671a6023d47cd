"""A GRU layer as torch models train it, against torch's own, forward and backward.

    python benchmarks/gru.py [--threads 1] [--rounds 7]

Both take turns. A ratio below 1 is less time than torch's.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from rich.console import Console
from rich.table import Table

from lofikit_torch import layers
from lofikit_torch.layers import GRULayer

SHAPES = (
    (4, 160, 896, 256),  # small/codes
    (8, 160, 896, 256),
    (32, 512, 64, 64),
    (3, 160, 300, 1024),
    (16, 256, 512, 512),
    (32, 256, 512, 512),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    layers.fits = lambda x, units: True  # with as many threads as are asked for
    table = Table(title=f"GRU layers, {args.threads} thread(s)")
    for column in ("sequences", "frames", "inputs", "units", "torch ms", "lofikit ms", "ratio"):
        table.add_column(column, justify="right")
    for batch, frames, inputs, units in SHAPES:
        torch.manual_seed(0)
        x, weight = torch.randn(batch, frames, inputs), torch.randn(batch, frames, units)
        ours, theirs = GRULayer(inputs, units), torch.nn.GRU(inputs, units, batch_first=True)
        for parameter in ours.parameters():
            torch.nn.init.normal_(parameter, std=units**-0.5)
        pair = (theirs, ours)
        for layer in pair:
            step(layer, x, weight)  # compiled
        rounds = [[step(layer, x, weight) for layer in pair] for _ in range(args.rounds)]
        theirs_ms, ours_ms = (1e3 * statistics.median(times) for times in zip(*rounds, strict=True))
        ratio = statistics.median(mine / its for its, mine in rounds)
        cells = (batch, frames, inputs, units, f"{theirs_ms:.0f}", f"{ours_ms:.0f}", f"{ratio:.2f}")
        table.add_row(*map(str, cells))
    Console().print(table)


def step(layer: torch.nn.Module, x: torch.Tensor, weight: torch.Tensor) -> float:
    """Returns the seconds of a forward and a backward pass."""
    began = time.perf_counter()
    layer.zero_grad()
    outputs, _ = layer(x)
    (outputs * weight).sum().backward()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
