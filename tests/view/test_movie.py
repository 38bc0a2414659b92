"""Films of a loop: GIF with pillow alone, MP4 with the extra, a cure where it is absent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from vertebro.errors import CaseError, DataError, MissingExtra
from vertebro.record import Run
from vertebro.view import movie
from vertebro.view.loops import LoopMaker


@pytest.fixture(scope="module")
def maker(small_run: Run) -> LoopMaker:
    return LoopMaker(run=small_run, most=5)


def test_a_gif_shows_the_cement_coming_in_both_planes(small_run, maker, tmp_path):
    path = movie.write_movie(small_run, tmp_path / "loop.gif", maker=maker, seconds=2.0)
    with Image.open(path) as film:
        assert film.n_frames == 5
        width, height = film.size
        assert width == 2 * 96 + movie.GAP
        assert height > 96
        first = np.asarray(film.convert("L"), float)
        film.seek(4)
        last = np.asarray(film.convert("L"), float)
    for plane in (np.s_[20:80, :96], np.s_[20:80, 100:196]):
        assert (last[plane] < first[plane] - 25).sum() > 20


def test_a_large_gif_is_halved_and_thinned_and_lasts_as_long(tmp_path):
    frames = [np.full((20, movie.GIF_WIDTH + 2), n, np.uint8) for n in range(130)]
    movie._write_gif(frames, tmp_path / "large.gif", rate=16.25)
    with Image.open(tmp_path / "large.gif") as film:
        assert film.n_frames <= movie.GIF_FRAMES
        assert film.size == (movie.GIF_WIDTH // 2 + 1, 10)
        seconds = 0.0
        for n in range(film.n_frames):
            film.seek(n)
            seconds += film.info["duration"] / 1000
    assert seconds == pytest.approx(8.0 + 1.0, abs=0.4)


def test_frames_have_even_sides_and_letters_of_the_patient_s_sides(small_run, maker):
    planes = maker.loop("injection")
    (frame,) = [frame for number, frame in enumerate(movie.movie_frames(small_run, planes)) if number == 0]
    assert frame.shape[0] % 2 == frame.shape[1] % 2 == 0
    study = movie.study_of(small_run)
    assert [movie._labels(plane, study) for plane in planes] == [("R", "L"), ("A", "P")]


def test_mp4_without_the_extra_names_the_cure(small_run, maker, tmp_path, monkeypatch):
    def absent(name: str, *rest: Any) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(movie, "import_module", absent)
    with pytest.raises(MissingExtra, match="imageio-ffmpeg") as caught:
        movie.write_movie(small_run, tmp_path / "loop.mp4", maker=maker)
    assert caught.value.hint == 'pip install "vertebro[movie]"'
    assert list(tmp_path.iterdir()) == []


def test_an_mp4_can_be_read_back(small_run, maker, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason='MP4 needs the extra: pip install "vertebro[movie]"')
    path = movie.write_movie(small_run, tmp_path / "loop.mp4", maker=maker, seconds=1.0)
    reader = ffmpeg.read_frames(str(path), pix_fmt="gray", bits_per_pixel=8)
    size = next(reader)["size"]
    first = np.frombuffer(next(reader), np.uint8).reshape(size[::-1]).astype(float)
    expected = next(iter(movie.movie_frames(small_run, maker.loop("injection")))).astype(float)
    assert np.abs(first - expected).mean() < 8


@pytest.mark.parametrize(("name", "wish"), [("loop.avi", {}), ("loop.gif", {"seconds": 0.0}), ("l.gif", {"loop": "x"})])
def test_impossible_films_are_refused_and_leave_nothing(small_run, maker, tmp_path, name, wish):
    with pytest.raises(CaseError):
        movie.write_movie(small_run, tmp_path / name, maker=maker, **wish)
    assert list(tmp_path.iterdir()) == []


def test_a_film_never_overwrites(small_run, maker, tmp_path):
    (tmp_path / "loop.gif").touch()
    with pytest.raises(DataError, match="exists already"):
        movie.write_movie(small_run, tmp_path / "loop.gif", maker=maker)
