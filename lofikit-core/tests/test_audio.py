"""Audio: whatever comes is read right or refused by name; what is written is playable."""

import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from lofikit.audio import Audio, inspect, read, read_mono, resample
from lofikit.errors import AudioError, OutputError
from lofikit.writers import Writer, write

READABLE = {
    # name: (rate, channels, samples a channel), counted by decoding
    "bitflips400.mp3": (44100, 2, 244271),
    "mp3_named.wav": (44100, 2, 8465127),
    "naïve ☕ 音楽 space.wav": (44100, 2, 441000),
    "one_sample.wav": (44100, 2, 1),
    "opus48.opus": (48000, 2, 480000),
    "over_unity_f32.wav": (44100, 2, 441000),
    "silence30.flac": (44100, 2, 1323000),
    "surround51.wav": (44100, 6, 441000),
    "truncated.ogg": (44100, 2, 178368),
    "truncated_header_says_more.wav": (44100, 2, 99975),
    "u8_11k_mono.wav": (11025, 1, 110250),
    "wav_named.mp3": (44100, 2, 441000),
}
DAMAGED = {"bitflips400.mp3", "truncated.flac"}
REFUSED = {
    "aac_lc.m4a": "convert it",
    "channels_zero.wav": "Channel count is zero",
    "header_only_claims_data.wav": "No 'data' chunk",
    "nan_inf_f32.wav": "NaN or infinity",
    "random_bytes.mp3": "not readable as audio",
    "random_bytes.wav": "not readable as audio",
    "samplerate_zero.wav": "not readable as audio",
    "text.flac": "not readable as audio",
    "zero.mp3": "empty",
    "zero.wav": "empty",
    "zero_frames.flac": "empty",
    "zero_frames.wav": "no samples",
}


@pytest.mark.parametrize("name", READABLE)
def test_what_can_be_read_is_counted_by_decoding(odd: Path, name: str) -> None:
    facts = inspect(odd / name)
    assert (facts.rate, facts.channels, facts.frames) == READABLE[name]
    assert bool(facts.damage) == (name in DAMAGED)


def test_a_broken_file_counts_what_was_decoded(odd: Path) -> None:
    facts = inspect(odd / "truncated.flac")
    assert 0 < facts.seconds < 10
    assert "decoding broke off" in facts.damage
    assert read(odd / "truncated.flac").samples.shape[1] == facts.frames


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_by_name_and_reason(odd: Path, name: str) -> None:
    with pytest.raises(AudioError) as caught:
        inspect(odd / name)
    assert caught.value.message.startswith(f"{name}: ")
    assert REFUSED[name] in caught.value.message
    assert "\n" not in caught.value.message


def test_every_odd_file_is_accounted_for(odd: Path) -> None:
    assert {f.name for f in odd.iterdir()} == {*READABLE, *REFUSED, "truncated.flac"}


def test_peaks_above_full_scale_are_scaled_down(odd: Path) -> None:
    audio = read(odd / "over_unity_f32.wav", seconds=1.0)
    assert np.abs(audio.samples).max() <= 1.0


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no.wav"):
        with pytest.raises(AudioError):
            inspect(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize("rate", [4410, 44100])
def test_writing_and_reading_again(tmp_path: Path, suffix: str, rate: int) -> None:
    time = np.arange(2 * rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None]
    path = tmp_path / f"tone{suffix}"
    with Writer(path, rate) as writer:
        for i in range(0, tone.shape[1], 777):
            writer.write(tone[:, i : i + 777])
    again = resample(read(path), rate)
    assert again.seconds == pytest.approx(2.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(again.samples[0]))
    assert np.argmax(spectrum) * rate / again.samples.shape[1] == pytest.approx(440, abs=2)
    tolerance = 1e-4 if suffix in (".wav", ".flac") else 0.1
    assert np.sqrt(np.mean(again.samples**2)) == pytest.approx(0.5 / np.sqrt(2), abs=tolerance)


def test_a_wav_plays_though_its_writer_was_killed(tmp_path: Path) -> None:
    path, block = tmp_path / "take.wav", np.full((2, 3 * 4410), 0.25, np.float32)
    writer = Writer(path, 4410, 2)
    for blocks in (1, 2):
        writer.write(block)
        # Nothing was closed. libsndfile reads what follows a header that says nothing follows; a
        # player does not, and neither does this module.
        with wave.open(str(path)) as left:
            assert left.getnframes() == blocks * block.shape[1]
    writer.close()
    assert read(path).samples.shape == (2, 2 * block.shape[1])


def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        Writer(tmp_path / "take.m4a", 4410)
    assert "wav, flac, ogg, opus, mp3" in caught.value.hint


def test_samples_beyond_full_scale_are_clipped_not_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    write(path, Audio(np.array([[3.0, -3.0, 0.0]], np.float32), 4410))
    assert read(path).samples[0] == pytest.approx([1.0, -1.0, 0.0], abs=1e-4)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write(tmp_path / "no" / "folder.wav", Audio(np.zeros((1, 3), np.float32), 4410))
    assert list(tmp_path.iterdir()) == []


def test_streaming_resampler_gives_what_the_whole_file_would(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stereo = rng.uniform(-0.9, 0.9, (2, 3 * 44100 + 17)).astype(np.float32)
    path = tmp_path / "noise.wav"
    write(path, Audio(stereo, 44100), subtype="FLOAT")
    streamed = np.concatenate(list(read_mono(path, 4410)))
    whole = soxr.resample(stereo.mean(axis=0, dtype=np.float32), 44100, 4410)
    np.testing.assert_array_equal(streamed, whole)


def test_reading_a_part(tmp_path: Path) -> None:
    ramp = np.linspace(-1, 1, 44100, dtype=np.float32)[None]
    path = tmp_path / "ramp.wav"
    write(path, Audio(ramp, 44100), subtype="FLOAT")
    part = read(path, start=0.25, seconds=0.5)
    np.testing.assert_allclose(part.samples, ramp[:, 11025:33075])
    with pytest.raises(AudioError, match="from 2 s on"):
        read(path, start=2.0)


@pytest.mark.skipif(sys.platform == "win32", reason="file descriptors of POSIX")
def test_decoders_are_silent_and_python_is_not(odd: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom lofikit.audio import inspect, quiet_decoders\n"
        "with quiet_decoders():\n"
        "    inspect(Path(sys.argv[1]))\n"
        "    print('from python', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, os.fspath(odd / "bitflips400.mp3")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "from python\n"


def test_a_claimed_length_costs_no_memory(tmp_path: Path) -> None:
    """A header that promises hours is read block by block, so nothing is set aside for it."""
    path = tmp_path / "claims.wav"
    soundfile.write(path, np.zeros(1000, np.int16), 44100)
    content = bytearray(path.read_bytes())
    content[40:44] = (0x7FFFFFF0).to_bytes(4, "little")  # the data chunk's size
    path.write_bytes(content)
    assert inspect(path).frames == 1000
