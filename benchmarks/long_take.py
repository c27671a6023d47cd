"""Memory of a long take: an hour beside ten seconds, each in a process of its own.

python benchmarks/long_take.py RUN
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 3600.0])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for seconds in args.seconds:
            words = ["generate", str(args.run), "--prompt", "noise", "--seconds", str(seconds)]
            take = str(Path(folder) / f"{seconds:g}.wav")
            command = [sys.executable, "-m", "lofikit", *words, "-o", take]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            size = Path(take).stat().st_size / 1e6
            print(
                f"{seconds:6g} s: peak memory {used.ru_maxrss / 1024:.1f} MB, {size:.1f} MB "
                f"written, {used.ru_utime + used.ru_stime:.1f} CPU-s, status {status}"
            )


if __name__ == "__main__":
    main()
