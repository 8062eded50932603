"""All sound of a video: every track kept with its language, in a codec that plays, or a note that says so."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from checkout import DATA
from video_clips import AUDIO_RATE, corner_picture, sound_packets, tone

from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.media.video_writer import VideoWriter

VIDEOS = DATA / "videos"


def pass_through(source: Path, target: Path) -> str | None:
    """Write every frame of `source` into `target`; returns the note on what was not copied."""
    with VideoReader(source) as reader, VideoWriter(target, reader.size, reader) as writer:
        for frame in reader:
            writer.write(frame.picture, frame.time, frame.duration)
        writer.finish()
        return writer.note


def write_tracks(path: Path, tracks: dict[str, tuple[str, float]], seconds: float = 1.0) -> None:
    """A clip with a sound track for each language: its codec, and the pitch of its tone in Hz."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sounds = {}
        for language, (codec, pitch) in tracks.items():
            stream = container.add_stream(codec, rate=AUDIO_RATE, layout="stereo")
            stream.metadata.update(language=language, title=f"Track {language}")
            stream.disposition = Disposition.default if language == "deu" else Disposition(0)
            sounds[stream] = tone(seconds, frequency=pitch)
        for index in range(round(25 * seconds)):
            picture = av.VideoFrame.from_ndarray(corner_picture(index=index), format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for stream, wave in sounds.items():
            kind = stream.codec_context.format.name
            size = stream.codec_context.frame_size or 960
            for position in range(0, wave.shape[1], size):
                chunk = np.ascontiguousarray(wave[:, position : position + size])
                samples = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="stereo")
                samples.sample_rate, samples.pts, samples.time_base = (
                    AUDIO_RATE,
                    position,
                    Fraction(1, AUDIO_RATE),
                )
                resampler = av.AudioResampler(format=kind, layout="stereo", rate=AUDIO_RATE)
                for part in resampler.resample(samples):
                    container.mux(stream.encode(part))
            container.mux(stream.encode(None))


def pitches(path: Path) -> list[float]:
    """The pitch in Hz of each sound track, from its spectrum."""
    found = []
    with av.open(str(path)) as container:
        count = len(container.streams.audio)
    for number in range(count):
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="fltp", layout="mono", rate=AUDIO_RATE)
            parts = [
                part.to_ndarray()[0]
                for frame in container.decode(audio=number)
                for part in resampler.resample(frame)
            ]
        middle = np.concatenate(parts)[4800:38400]
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        found.append(round(int(spectrum.argmax()) * AUDIO_RATE / len(middle), -1))
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".m4v"])
@pytest.mark.parametrize("codec", ["ac3", "eac3", "alac"])
def test_sound_that_is_silent_in_browsers_becomes_aac_in_mp4(tmp_path: Path, codec: str, suffix: str) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    write_tracks(source, {"eng": (codec, 440)})
    assert pass_through(source, target) == f"{target}: sound re-encoded, {codec} to aac"
    with av.open(str(target)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    assert pitches(target) == [440]


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
@pytest.mark.parametrize("codec", ["ac3", "eac3", "alac"])
def test_the_same_sound_is_copied_where_players_expect_it(tmp_path: Path, codec: str, suffix: str) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    write_tracks(source, {"eng": (codec, 440)})
    assert pass_through(source, target) is None
    assert sound_packets(target) == sound_packets(source)


def test_surround_sound_stays_surround_sound(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("ac3", rate=AUDIO_RATE, layout="5.1")
        container.mux(video.encode(av.VideoFrame.from_ndarray(corner_picture(), format="rgb24")))
        container.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(tone(0.032, 6), format="fltp", layout="5.1")
        samples.sample_rate = AUDIO_RATE
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    pass_through(source, target)
    with av.open(str(target)) as container:
        assert container.streams.audio[0].codec_context.channels == 6


@pytest.mark.parametrize(
    ("suffix", "codecs", "kept", "note"),
    [
        (
            ".mp4",
            ("aac", "ac3", "libmp3lame"),
            ["aac", "aac", "mp3"],
            "sound 2 of 3 re-encoded, ac3 to aac",
        ),
        (".mov", ("aac", "ac3", "alac"), ["aac", "ac3", "alac"], None),
        (".mkv", ("aac", "ac3", "flac"), ["aac", "ac3", "flac"], None),
        (
            ".webm",
            ("aac", "libopus", "libopus"),
            ["opus", "opus", "opus"],
            "sound 1 of 3 re-encoded, aac to opus",
        ),
    ],
)
def test_every_track_is_kept_with_its_language_and_title(
    tmp_path: Path, suffix: str, codecs: tuple[str, ...], kept: list[str], note: str | None
) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    languages, wanted = ("eng", "deu", "fra"), [440, 880, 1320]
    write_tracks(source, dict(zip(languages, zip(codecs, wanted, strict=True), strict=True)))
    assert pass_through(source, target) == (note and f"{target}: {note}")
    assert pitches(target) == wanted
    with av.open(str(target)) as container:
        streams = container.streams.audio
        other_names = {"deu": "ger"} if suffix == ".mov" else {}
        assert [stream.metadata["language"] for stream in streams] == [
            other_names.get(language, language) for language in languages
        ]
        assert [stream.codec_context.codec.canonical_name for stream in streams] == kept
        assert [bool(stream.disposition & Disposition.default) for stream in streams] == [False, True, False]
        if suffix == ".mkv":
            assert [stream.metadata["title"] for stream in streams] == [
                f"Track {language}" for language in languages
            ]


def test_a_track_that_cannot_be_decoded_is_left_out_and_named(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    write_tracks(source, {"eng": ("aac", 440), "deu": ("libopus", 880), "fra": ("aac", 1320)})
    stored = source.read_bytes()
    assert stored.count(b"A_OPUS") == 1
    source.write_bytes(stored.replace(b"A_OPUS", b"A_NONE"))
    assert pass_through(source, target) == f"{target}: sound 2 of 3 left out: PyAV has no decoder for it"
    assert pitches(target) == [440, 1320]


def test_damage_in_the_sound_is_said(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    write_tracks(tmp_path / "whole.mkv", {"eng": ("ac3", 440)})
    with av.open(str(tmp_path / "whole.mkv")) as old, av.open(str(source), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for number, packet in enumerate(old.demux()):
            if not packet.size:
                continue
            added = streams[packet.stream_index]
            if packet.stream.type == "audio" and number % 7 == 3:
                broken = av.Packet(b"\x5a" * packet.size)
                broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
                packet = broken
            packet.stream = added
            new.mux(packet)
    note = pass_through(source, target)
    assert note is not None
    assert "damaged packets of sound left out" in note


def test_subtitles_are_left_out_and_named(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    with av.open(str(source), "w") as container:
        video, subtitles = container.add_stream("libx264", rate=25), container.add_mux_stream("subrip")
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        container.mux(video.encode(av.VideoFrame.from_ndarray(corner_picture(), format="rgb24")))
        container.mux(video.encode(None))
        words = av.Packet(b"Hello")
        words.pts, words.dts, words.duration, words.time_base = 0, 0, 40, Fraction(1, 1000)
        words.stream = subtitles
        container.mux(words)
    assert pass_through(source, target) == f"{target}: 1 subtitle track left out"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_that_a_trimmed_video_hides_stays_hidden(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out{suffix}"
    assert pass_through(VIDEOS / "trim.mp4", target) is None
    with av.open(str(target)) as container:
        first = next(container.decode(video=0))
        begin = first.pts * first.time_base
    with av.open(str(target)) as container:
        times = [packet.pts * packet.time_base for packet in container.demux(audio=0) if packet.size]
    assert begin - Fraction(1, 8) < min(times) <= begin
    assert abs(max(times) - begin - Fraction(3, 2)) < Fraction(1, 20)


@pytest.mark.parametrize("name", ["in.mov", "in.mp4", "in.mkv"])
def test_sound_that_begins_later_than_the_pictures_still_does(tmp_path: Path, name: str) -> None:
    source, target = tmp_path / name, tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=AUDIO_RATE)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(corner_picture(index=index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        wave = tone(1.024)
        for position in range(0, wave.shape[1], 1024):
            chunk = np.ascontiguousarray(wave[:, position : position + 1024])
            samples = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="stereo")
            samples.sample_rate, samples.pts, samples.time_base = (
                AUDIO_RATE,
                position + AUDIO_RATE // 2,
                Fraction(1, AUDIO_RATE),
            )
            container.mux(sound.encode(samples))
        container.mux(sound.encode(None))

    def first_sound(path: Path) -> float:
        with av.open(str(path)) as container:
            heard = [
                frame.pts * frame.time_base
                for frame in container.decode(audio=0)
                if np.abs(frame.to_ndarray()).max() > 0.3
            ]
        with VideoReader(path) as reader:
            return float(heard[0] - next(reader).time)

    assert abs(first_sound(source) - 0.5) < 0.03
    assert pass_through(source, target) is None
    assert abs(first_sound(target) - first_sound(source)) < 0.002


@pytest.mark.parametrize("codec", ["pcm_s16be", "pcm_s24be", "pcm_f32le", "pcm_u8"])
def test_every_pcm_of_a_mov_is_copied_into_a_mov(tmp_path: Path, codec: str) -> None:
    write_tracks(tmp_path / "a.mov", {"eng": (codec, 440)})
    assert pass_through(tmp_path / "a.mov", tmp_path / "b.mov") is None
    assert list(sound_packets(tmp_path / "b.mov")) == list(sound_packets(tmp_path / "a.mov"))
    assert pitches(tmp_path / "b.mov") == [440]
