"""Frames of a browser's screencast → an MP4 and a short WebP, with the ffmpeg that `imageio-ffmpeg` brings.

What Playwright records by itself wants a binary of its own and is WebM. Its screencast gives a frame whenever the
picture changes, with the time at which it was drawn.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.video.page_driver import HEIGHT, WIDTH

if TYPE_CHECKING:
    from playwright.sync_api import Page, ScreencastFrame

MAX_SECONDS, MAX_BYTES = 600, 20 * 1024 * 1024
"""What the assignment and the places to hand it in allow: ten minutes, 20 MB."""
MAX_CLIP_BYTES = 2 * 1024 * 1024
"""Of the short one that stands in a README."""

_RATE = 25  # frames a second, as ffmpeg reads pictures
# x264's constant rate factors, the best picture first: the first that fits the size is taken.
_QUALITIES = (20, 24, 28, 33)
_CLIPS = ((960, 8, 70), (800, 6, 60), (640, 5, 45), (480, 4, 35))  # width, frames a second, quality


Frames = list[tuple[Path, float]]
"""The file and the time of each frame, in seconds of the browser's clock; all in one folder."""


@contextmanager
def recording(page: Page, folder: Path) -> Iterator[Frames]:
    """Records a page for the time of a `with`; the folder is on the same disk as what is made of the frames."""
    frames: Frames = []

    def keep(frame: ScreencastFrame) -> None:
        path = folder / f"{len(frames):06d}.jpg"
        path.write_bytes(frame["data"])
        frames.append((path, frame["timestamp"] / 1000))

    with page.screencast.start(on_frame=keep, quality=92, size={"width": WIDTH, "height": HEIGHT}):
        yield frames


def seconds_of(frames: Frames) -> float:
    """From the first frame to the last."""
    return frames[-1][1] - frames[0][1]


def write_video(frames: Frames, target: Path) -> None:
    """Writes an MP4 (H.264, yuv420p, `WIDTH`x`HEIGHT`, no sound) that fits `MAX_BYTES`.

    Raises:
        InputError: It is longer than `MAX_SECONDS`.
        AmazonTitlesError: ffmpeg failed, or it does not fit in any quality.
    """
    if seconds_of(frames) > MAX_SECONDS:
        raise InputError(
            f"The video is {seconds_of(frames) / 60:.1f} minutes long, and at most {MAX_SECONDS // 60} are allowed.",
            hint="Ask fewer questions: --questions FILE",
        )
    # JPEG has the full range of values, players expect the broadcast one.
    size = f"scale={WIDTH}:{HEIGHT}:force_original_aspect_ratio=decrease:in_range=full:out_range=tv"
    filters = f"fps={_RATE},{size},pad={WIDTH}:{HEIGHT}:(ow-iw)/2:(oh-ih)/2,format=yuv420p"
    options = ["-vf", filters, "-color_range", "tv", "-c:v", "libx264", "-preset", "medium", "-movflags", "+faststart"]
    _encode_within(MAX_BYTES, frames, ([*options, "-crf", str(quality)] for quality in _QUALITIES), target)


def write_clip(frames: Frames, target: Path, *, start: float, end: float) -> None:
    """Writes the frames between two times as an animated WebP that fits `MAX_CLIP_BYTES` and repeats for ever.

    Raises:
        AmazonTitlesError: ffmpeg failed, or it does not fit in any size.
    """
    chosen = [frame for frame in frames if start <= frame[1] <= end]
    options = ["-c:v", "libwebp_anim", "-loop", "0"]
    attempts = (
        [*options, "-vf", f"fps={rate},scale={width}:-2", "-quality", str(quality)] for width, rate, quality in _CLIPS
    )
    _encode_within(MAX_CLIP_BYTES, chosen, attempts, target)


def _encode_within(limit: int, frames: Frames, attempts: Iterable[list[str]], target: Path) -> None:
    """Writes the first attempt that has at most `limit` bytes."""
    part = frames[0][0].with_name(f"part{target.suffix}")
    for options in attempts:
        encode(frames, options, part)
        if part.stat().st_size <= limit:
            part.replace(target)
            return
    raise AmazonTitlesError(f"{target} does not fit into {limit >> 20} MB.", hint="Ask fewer questions.")


def encode(frames: Frames, options: Sequence[str], target: Path) -> None:
    """Runs ffmpeg over frames, each shown until the next one's time.

    Raises:
        AmazonTitlesError: It failed; the message holds its last line.
    """
    from imageio_ffmpeg import get_ffmpeg_exe

    folder, first = frames[0][0].parent, frames[0][1]
    # Pictures are read on a grid of 25 a second, so each is put on it here: rounding every wait alone would add up.
    places = {round((time - first) * _RATE): path.name for path, time in frames}  # the last one of a place stays
    shown = sorted(places)
    lines = ["ffconcat version 1.0"]
    for place, until in zip(shown, [*shown[1:], shown[-1] + 1], strict=True):
        lines += [f"file '{places[place]}'", f"duration {(until - place) / _RATE:.2f}"]
    # The last one twice: the demuxer ignores the duration of what nothing follows.
    (folder / "frames.txt").write_text("\n".join([*lines, f"file '{places[shown[-1]]}'", ""]), encoding="utf-8")
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-y", "-f", "concat", "-safe", "0", "-i", "frames.txt"]
    command += [*options, str(target.resolve())]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise AmazonTitlesError(f"ffmpeg could not write {target.name}: {last}")
