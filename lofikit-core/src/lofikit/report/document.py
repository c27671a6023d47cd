"""The page: one HTML file with all that it needs in itself, and leave to fetch nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from lofikit import __version__
from lofikit.credits import NO_LICENCE, Credited, by_licence, terms
from lofikit.errors import RunError
from lofikit.evaluation.listening import level
from lofikit.figures import FLOOR
from lofikit.report.evaluation_file import Evaluation
from lofikit.report.findings import counted, evaluation_findings, own_findings
from lofikit.report.markup import Markup, asset, element, fill, joined
from lofikit.report.media import (
    SPECTRUM_COLUMNS,
    WAVE_COLUMNS,
    WAVE_HEIGHT,
    loss_uri,
    loudest_power,
    sound_uri,
    spectrogram_uri,
    waveform_path,
)
from lofikit.report.takes import Continuations, ReportOptions, Take, run_names
from lofikit.run import Run


def document(
    runs: Sequence[Run],
    comparisons: Sequence[Continuations],
    options: ReportOptions,
    evaluation: Evaluation | None = None,
) -> str:
    """Returns the page as HTML; the same takes give the same page.

    Its content security policy lets it load nothing but what it holds, and run no other script
    than its own. Titles, names and explanations are escaped wherever they come from.

    Args:
        runs: The runs that were played.
        comparisons: What they played.
        options: How.
        evaluation: What ``lofikit evaluate`` found out; without it the figures of the takes
            themselves are shown.
    """
    names = dict(zip([str(run.path) for run in runs], run_names(runs), strict=True))
    if evaluation is not None:
        figures = evaluation_findings(evaluation, names)
    else:
        figures = own_findings(comparisons)
    style, script = Markup(asset("page.css")), Markup(asset("page.js"))
    content = {
        "comparisons": joined(_comparison(i, c) for i, c in enumerate(comparisons, 1)),
        "figures": figures,
        "training": _training(runs),
        "credits": _credits(runs, comparisons),
        "lead": _lead(runs, comparisons, options),
    }
    identity = hashlib.sha256("".join(content.values()).encode()).hexdigest()[:16]
    return fill(
        "page.html",
        policy=_policy(style, script),
        title=f"Listening report: {', '.join(run_names(runs))}",
        version=__version__,
        identity=identity,
        range=f"{-FLOOR:.0f}",
        style=style,
        script=script,
        **content,
    )


def _policy(style: str, script: str) -> str:
    """Returns the content security policy: the page's own style and script, and data in it."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "img-src data:",
            "media-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _lead(runs: Sequence[Run], comparisons: Sequence[Continuations], options: ReportOptions) -> str:
    sampling = options.sampling
    return (
        f"{', '.join(run_names(runs))}. {counted(len(comparisons), 'prompt')} of "
        f"{options.prompt_seconds:g} s, {counted(options.seeds, 'take')} of {options.seconds:g} s "
        f"from each; temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, "
        f"fine {sampling.fine:g}, "
        f"{'seed 0' if options.seeds == 1 else f'seeds 0 to {options.seeds - 1}'}."
    )


def _comparison(count: int, comparison: Continuations) -> Markup:
    clip, start = comparison.prompt.clip, comparison.prompt.start
    everything = [comparison.original, *comparison.takes]
    seeds = len({take.seed for take in comparison.takes})
    span = max(take.audio.seconds for take in everything)
    peak = max(0.05, *(float(abs(take.audio.samples).max()) for take in everything))
    loudest = loudest_power([take.audio for take in everything])
    end = start + comparison.original.prompt_seconds
    where = [f"{_clock(start)} to {_clock(end)} of the clip", clip.artist, clip.licence]
    return fill(
        "comparison.html",
        number=count,
        clip=clip.title or clip.id,
        where=" · ".join(filter(None, where)),
        takes=joined(
            _take(take, count, seeds > 1, span, min(peak, 1.0), loudest) for take in everything
        ),
    )


def _take(
    take: Take, prompt: int, with_seed: bool, span: float, peak: float, loudest: float
) -> Markup:
    audio, end = take.audio, take.prompt_seconds
    original = take.seed is None
    heading = "The clip itself" if original else take.name
    detail = f"seed {take.seed}" if with_seed and not original else ""
    across = WAVE_COLUMNS * audio.seconds / span
    columns = max(1, round(SPECTRUM_COLUMNS * audio.seconds / span))
    return fill(
        "take.html",
        name=heading,
        seed="" if original else take.seed,
        seconds=f"{audio.seconds:.2f}",
        span=f"{span:.2f}",
        end=f"{end:.3f}",
        level=f"{level(audio.samples[0, round(end * audio.rate) :]):.2f}",
        label=", ".join(filter(None, [heading, f"prompt {prompt}", detail])),
        heading=heading,
        detail=element("span", detail, class_="subtle") if detail else "",
        clock=f"0:00 / {_clock(audio.seconds)}",
        sound=sound_uri(audio),
        width=WAVE_COLUMNS,
        height=WAVE_HEIGHT,
        before=waveform_path(audio, 0.0, end, span, peak),
        after=waveform_path(audio, end, audio.seconds, span, peak),
        spectrum=spectrogram_uri(audio, loudest, columns),
        drawn=f"{across:.1f}",
        nyquist=f"{audio.rate / 2:,.0f}",
        mark=f"{WAVE_COLUMNS * end / span:.1f}",
        words=f"{audio.seconds:.1f} s, the prompt ends at {end:.1f} s",
        note=element("p", f"It broke off: {take.failure}.", class_="note") if take.failure else "",
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _training(runs: Sequence[Run]) -> Markup:
    parts: list[Markup] = []
    for run, name in zip(runs, run_names(runs), strict=True):
        config, metrics = run.config, run.metrics()
        clips = len(run.manifest().get("training_clips", []))
        facts = [
            config.model.name,
            config.representation.name,
            f"{config.data.sample_rate:,} Hz",
            "" if config.data.stem == "mix" else config.data.stem,
            f"{clips} clips",
            f"{metrics[-1]['step']:,} steps" if metrics else "",
        ]
        said = element("p", " · ".join(filter(None, facts)), class_="subtle")
        try:
            drawn = loss_uri(name, metrics)
        except RunError as error:
            shown = element("p", f"No losses to draw: {error.message}.", class_="note")
        else:
            picture = element("img", src=drawn, alt=f"Losses of {name} over steps", class_="paper")
            shown = element(
                "div",
                picture,
                class_="scroll",
                role="region",
                aria_label=f"Losses of {name}",
                tabindex="0",
            )
        parts.append(element("article", element("h3", name), said, shown, class_="run"))
    return joined(parts)


def _credits(runs: Sequence[Run], comparisons: Sequence[Continuations]) -> Markup:
    trained: list[Credited] = [c for run in runs for c in run.manifest().get("training_clips", [])]
    prompts: list[Credited] = [vars(comparison.prompt.clip) for comparison in comparisons]
    return joined(
        [
            element("p", "The runs were trained on the clips below. Their licences may bind what "
                    "is made of them, this page with its sounds too."),
            *_credited(trained),
            element("p", "The prompts, and the clips themselves where they go on, are of:"),
            *_credited(prompts),
        ]
    )  # fmt: skip


def _credited(clips: Sequence[Credited]) -> list[Markup]:
    parts = []
    for licence, group in by_licence(clips):
        items = []
        for clip in group:
            title, artist, origin = (str(clip.get(k) or "") for k in ("title", "artist", "origin"))
            said = (title or str(clip.get("id", ""))) + (f" by {artist}" if artist else "")
            items.append(element("li", said, _origin(origin)))
        parts += [
            element("h3", licence.id or NO_LICENCE),
            element("p", terms(licence), "." if not licence.url else _origin(licence.url)),
            element("ul", *items),
        ]
    return parts


def _origin(text: str) -> Markup:
    """Returns a comma and where something is from, as a link if it is an address of the web."""
    if not text:
        return Markup("")
    if text.startswith(("https://", "http://")):
        shown = element("a", text, href=text, rel="noreferrer noopener")
        return joined([", ", shown], "")
    return joined([", ", text], "")
