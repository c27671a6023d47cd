"""The experiments of Xu and Swar, "Lo-Fi Music Generation with Sequential Models".

Three models, the LSTM, the encoder-decoder over STFT frames and the TCN, are trained on the full
mix of one library and on its drums and its melody, go on from a clip and from noise, and are drawn
side by side:

    python examples/paper.py --music FOLDER -o paper   in full, for a GPU
    python examples/paper.py --small -o paper-small    every step at a tiny size

Without --music, lofikit's beat maker composes. Each command is printed, so that it can be given
again by hand; a run that was stopped goes on when the script is started again.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path

from lofikit.cli.main import run

RECIPES = {"lstm": "paper/lstm", "stft": "paper/stft", "tcn": "paper/tcn"}
MODELS = {"lstm": "lstm", "stft": "seq2seq", "tcn": "tcn"}
# What stands for drums and for melody among the stems of each separator.
STEMS = {
    "hpss": {"drums": "hpss/percussive", "melody": "hpss/harmonic"},
    "spleeter": {"drums": "spleeter/drums", "melody": "spleeter/piano"},
}
SMALL_MUSIC = ["--source.clips", "3", "--source.seconds", "12", "--source.sample-rate", "11025"]
SMALL_PLAN = ["--epochs", "1", "--steps", "3", "--batch-size", "4", "--audition", "0"]
SMALL_MODEL = {
    "lstm": ["--model.units", "8"],
    "stft": ["--model.units", "16"],
    "tcn": ["--model.filters", "8"],
}


def main() -> int:
    """Runs the experiments and returns the exit code of the first command that fails."""
    options = _options()
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "library"
    if options.music:
        lofikit("collect", options.music, "-o", library)
    else:
        lofikit("collect", "synthetic", *(SMALL_MUSIC if options.small else []), "-o", library)
    lofikit("separate", library, "--separator", options.separator)
    data_sets = {"mix": "mix", **STEMS[options.separator]}
    seconds = 0.5 if options.small else 20
    for data, stem in data_sets.items():
        for model in RECIPES:
            _train(options, library, folder / f"{data}-{model}", model, stem)
        for prompt in ("held-out", "noise"):
            takes = [folder / f"{data}-{model}-{prompt}.wav" for model in RECIPES]
            for model, take in zip(RECIPES, takes, strict=True):
                told = ["--prompt", prompt, "--seconds", seconds, "--overwrite", "-o", take]
                lofikit("generate", folder / f"{data}-{model}", *told)
            for figure in ("waveform", "spectrogram"):
                drawn = folder / f"{data}-{prompt}-{figure}.png"
                lofikit("plot", figure, *takes, "--overwrite", "-o", drawn)
        runs = [folder / f"{data}-{model}" for model in RECIPES]
        lofikit("plot", "loss", *runs, "--overwrite", "-o", folder / f"{data}-loss.png")
    scored = [folder / f"{data}-{model}" for data in data_sets for model in RECIPES]
    small = ["--prompts", 2, "--seconds", 1, "--scored-seconds", 1] if options.small else []
    lofikit("evaluate", *scored, "--quick", *small)
    rates = folder / "rates.png"
    lofikit("plot", "rates", next(library.glob("clips/*")), "--overwrite", "-o", rates)
    band = folder / "band.toml"
    shutil.copyfile(Path(__file__).with_name("band.toml"), band)
    lofikit("band", band, "--overwrite", "-o", folder / "band.wav")
    print(f"\nListen to {folder}/*.wav, and look at {folder}/*.png.")
    return 0


def lofikit(*words: object) -> None:
    """Gives a command, and ends the script if it fails."""
    texts = [str(word) for word in words]
    print(f"\n$ {shlex.join(['lofikit', *texts])}", flush=True)
    code = run(texts)
    if code:
        sys.exit(code)


def _train(options: argparse.Namespace, library: Path, where: Path, model: str, stem: str) -> None:
    """Trains a model of the paper on a data set, or goes on with its training."""
    if (where / "run.toml").is_file():
        lofikit("train", "--resume", "-o", where)
        return
    name = f"{options.backend}/{MODELS[model]}"
    small = [*SMALL_PLAN, *SMALL_MODEL[model]] if options.small else []
    chosen = ["--recipe", RECIPES[model], "--model", name, "--stem", stem]
    lofikit("train", library, *chosen, *small, "-o", where)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The paper's experiments.")
    parser.add_argument("--music", type=Path, help="a folder of music; none for the beat maker's")
    parser.add_argument("--backend", choices=("torch", "keras"), default="torch")
    parser.add_argument("--separator", choices=tuple(STEMS), default="hpss")
    parser.add_argument("--small", action="store_true", help="tiny models and a few steps")
    parser.add_argument("-o", "--output", type=Path, required=True, help="where everything goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
