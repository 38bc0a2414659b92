"""What goes over the socket: pure functions, no network.

Text messages are JSON objects: ``kind`` names a message of the page, ``type`` one of the server. Binary messages carry
pictures: a header of 24 bytes, a JSON text about the picture, then blocks.

>>> message = pack(Kind.STILL, 7, {"pane": "ap"}, [b"JPEG"], size=(4, 3))
>>> unpack(message).seq, unpack(message).blocks
(7, (b'JPEG',))
>>> unpack(with_seq(message, 8)).seq
8
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from vertebro.errors import SessionError

VERSION = 1
# kind, blocks, format, version | seq | width, height | time of the session [ms], echo of the page's clock [ms], number
HEADER = struct.Struct("<BBBBIHHIII")
LENGTH = struct.Struct("<I")
WINDOW = 3  # pictures a page may have unacknowledged
HEARTBEAT = 2.0  # s of silence after which pedal and injector are released
TEXT_LIMIT = 4096  # characters of a page's message
DEPTH_LIMIT = 3
U32 = 2**32 - 1


class Kind(IntEnum):
    """What a binary message holds."""

    FLUOROSCOPY = 0
    SLICE = 1
    MESH = 2
    STILL = 3


class Format(IntEnum):
    """How its blocks are coded."""

    JPEG = 0
    INT16 = 1
    FLOAT32 = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A binary message, unpacked.

    Attributes
    ----------
    kind, format : Kind, Format
    seq : int
        To be acknowledged.
    size : (int, int)
        Width and height [pixel].
    time_ms, echo_ms, number : int
        Clock of the session, the page's own clock of the command answered, number of the picture.
    about : dict
        Plain JSON values.
    blocks : tuple of bytes
    """

    kind: Kind
    format: Format
    seq: int
    size: tuple[int, int]
    time_ms: int
    echo_ms: int
    number: int
    about: dict[str, Any] = field(default_factory=dict)
    blocks: tuple[bytes, ...] = ()


def pack(
    kind: Kind,
    seq: int,
    about: dict[str, Any],
    blocks: Sequence[bytes],
    *,
    size: tuple[int, int] = (0, 0),
    coding: Format = Format.JPEG,
    time_ms: int = 0,
    echo_ms: int = 0,
    number: int = 0,
) -> bytes:
    """A binary message. Numbers beyond 32 bits wrap.

    Raises
    ------
    SessionError
        If there are more than 255 blocks or the size does not fit 16 bits.
    """
    if len(blocks) > 255 or not all(0 <= side <= 0xFFFF for side in size):
        raise SessionError(
            "a picture that does not fit its message", where="blocks, size", value=(len(blocks), size),
            allowed="at most 255 blocks, sides below 65536",
        )  # fmt: skip
    head = HEADER.pack(
        kind, len(blocks), coding, VERSION, seq & U32, *size, time_ms & U32, echo_ms & U32, number & U32
    )  # fmt: skip
    text = json.dumps(about, ensure_ascii=False, allow_nan=False).encode()
    parts = [head, LENGTH.pack(len(text)), text]
    for block in blocks:
        parts += [LENGTH.pack(len(block)), block]
    return b"".join(parts)


def with_seq(message: bytes, seq: int) -> bytes:
    """The same message with another number to acknowledge."""
    return message[:4] + LENGTH.pack(seq & U32) + message[8:]


def with_echo(message: bytes, echo_ms: int) -> bytes:
    """The same message with another echo of the page's clock."""
    return message[:16] + LENGTH.pack(echo_ms & U32) + message[20:]


def unpack(message: bytes) -> Message:
    """The parts of a binary message.

    Raises
    ------
    SessionError
        If it is cut short, of another version or of an unknown kind.
    """
    try:
        kind, count, coding, version, seq, width, height, time_ms, echo_ms, number = HEADER.unpack_from(message)
        if version != VERSION:
            raise SessionError("another version of the protocol", where="header", value=version, allowed=str(VERSION))
        text, place = _block(message, HEADER.size)
        blocks = []
        for _ in range(count):
            block, place = _block(message, place)
            blocks.append(block)
        about = json.loads(text)
        known = Kind(kind), Format(coding)
    except (struct.error, ValueError) as fault:
        raise SessionError("a binary message that cannot be read", where="message", value=str(fault)) from fault
    if place != len(message):
        raise SessionError("a binary message with a tail", where="message", value=len(message) - place, allowed="0")
    return Message(
        kind=known[0], format=known[1], seq=seq, size=(width, height), time_ms=time_ms, echo_ms=echo_ms,
        number=number, about=about, blocks=tuple(blocks),
    )  # fmt: skip


def _block(message: bytes, place: int) -> tuple[bytes, int]:
    (length,) = LENGTH.unpack_from(message, place)
    end = place + LENGTH.size + length
    if end > len(message):
        raise struct.error(f"block of {length} bytes ends after the message")
    return message[place + LENGTH.size : end], end


def read_command(text: str) -> dict[str, Any]:
    """A page's message: a JSON object with a ``kind``, short and free of surprises.

    Raises
    ------
    SessionError
        If it is anything else.
    """
    if len(text) > TEXT_LIMIT:
        raise _refusal("too long", len(text), f"at most {TEXT_LIMIT} characters")
    try:
        command = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as fault:
        raise _refusal("not JSON", text, "one JSON object") from fault
    if not isinstance(command, dict):
        raise _refusal("not an object", text, "one JSON object")
    kind = command.get("kind")
    if not (isinstance(kind, str) and kind.isidentifier() and len(kind) <= 40):
        raise _refusal("without a kind", kind, "kind: a name of at most 40 letters")
    if not _plain(command, 0):
        raise _refusal("with values no action has", text, "numbers, short texts, booleans, short lists")
    return command


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _plain(value: Any, depth: int) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return abs(value) < 1e15 and math.isfinite(value)
    if isinstance(value, str):
        return len(value) <= 1000 and "\x00" not in value
    if depth >= DEPTH_LIMIT:
        return False
    if isinstance(value, list):
        return len(value) <= 64 and all(_plain(item, depth + 1) for item in value)
    return isinstance(value, dict) and all(_plain(item, depth + 1) for item in value.values())


def _refusal(what: str, value: Any, allowed: str) -> SessionError:
    return SessionError(f"a message {what}", where="message of the page", value=value, allowed=allowed)
