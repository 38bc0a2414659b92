"""The protocol, without a network: what is packed comes out again, what is broken is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.errors import SessionError
from vertebro.web.protocol import HEADER, TEXT_LIMIT, Format, Kind, pack, read_command, unpack, with_echo, with_seq

NUMBERS = st.integers(0, 2**32 - 1)
PLAIN = st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8))


@given(
    st.sampled_from(Kind), st.sampled_from(Format), NUMBERS, NUMBERS, NUMBERS, PLAIN,
    st.lists(st.binary(max_size=40), max_size=5), st.tuples(st.integers(0, 65535), st.integers(0, 65535)),
)  # fmt: skip
def test_what_is_packed_comes_out_again(
    kind: Kind, coding: Format, seq: int, time_ms: int, echo: int, about: dict[str, Any], blocks: list[bytes],
    size: tuple[int, int],
) -> None:  # fmt: skip
    found = unpack(pack(kind, seq, about, blocks, size=size, coding=coding, time_ms=time_ms, echo_ms=echo, number=seq))
    assert (found.kind, found.format, found.seq, found.number) == (kind, coding, seq, seq)
    assert (found.time_ms, found.echo_ms, found.size) == (time_ms, echo, size)
    assert (found.about, list(found.blocks)) == (about, blocks)


def test_the_header_is_24_bytes() -> None:
    assert HEADER.size == 24


@given(NUMBERS, NUMBERS, st.binary(max_size=30))
def test_a_number_is_changed_and_nothing_else(seq: int, echo: int, block: bytes) -> None:
    message = pack(Kind.FLUOROSCOPY, 1, {"pane": "ap"}, [block], time_ms=5, number=6)
    found = unpack(with_echo(with_seq(message, seq), echo))
    assert (found.seq, found.echo_ms, found.time_ms, found.number, found.blocks) == (seq, echo, 5, 6, (block,))


@given(st.data())
def test_a_message_cut_short_is_refused(data: st.DataObject) -> None:
    message = pack(Kind.STILL, 1, {"a": 1}, [b"picture", b"another"])
    with pytest.raises(SessionError):
        unpack(message[: data.draw(st.integers(0, len(message) - 1))])


def test_a_tail_and_another_version_are_refused() -> None:
    message = pack(Kind.STILL, 1, {}, [b"x"])
    for broken in (message + b"y", message[:3] + b"\x09" + message[4:]):
        with pytest.raises(SessionError):
            unpack(broken)


@given(st.binary(max_size=60))
def test_noise_is_refused_or_read_but_never_crashes(noise: bytes) -> None:
    try:
        unpack(noise)
    except SessionError:
        return


def test_a_command_is_read() -> None:
    assert read_command('{"kind": "advance", "distance_mm": 0.5}') == {"kind": "advance", "distance_mm": 0.5}


@pytest.mark.parametrize(
    "text",
    [
        "", "[1]", "null", "{}", '{"kind": 3}', '{"kind": "a b"}', '{"kind": "a", "x": NaN}',
        '{"kind": "a", "x": 1e400}',
        '{"kind": "a", "x": [[[[1]]]]}', '{"kind": "a", "x": "\\u0000"}', '{"kind": "a", "x": 99999999999999999999}',
        json.dumps({"kind": "a", "x": "y" * TEXT_LIMIT}), '{"kind": "a"', "[" * 4000,
    ],
)  # fmt: skip
def test_a_broken_command_is_refused_with_its_cure(text: str) -> None:
    with pytest.raises(SessionError) as refusal:
        read_command(text)
    assert refusal.value.allowed is not None


@given(st.text(max_size=80))
def test_any_text_is_refused_or_a_command_with_a_kind(text: str) -> None:
    try:
        assert isinstance(read_command(text)["kind"], str)
    except SessionError:
        return
