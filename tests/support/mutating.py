"""Damages event files: bits, lengths, pieces moved and repeated, and the same inside events whose checksums are put right again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from tb_featuremap_plugin.reading.event_records import read_records
from tests.support import logdirs


def write_good(folder: Path) -> Path:
    """A small run with everything in it; returns its event file."""
    log = logdirs.write_monitored(folder, [0, 1, 5])
    for step in range(3):
        log.scalar("loss", step, 0.5)
    return log.path


def mutated(data: bytes, luck: random.Random) -> bytes:
    """The bytes with one to four things done to them."""
    for _ in range(luck.randint(1, 4)):
        data = luck.choice([_flip, _replace, _cut, _repeat, _insert, _number])(data, luck)
    return data


def mutated_file(path: Path, luck: random.Random) -> bytes:
    """An event file with its bytes damaged, or with some of its events damaged behind right checksums, moved and repeated."""
    if luck.random() < 0.2:
        return mutated(path.read_bytes(), luck)
    payloads = [stored.payload for stored in read_records(path)]
    for _ in range(luck.randint(1, 5)):
        payloads = _one_changed(payloads, luck)
    return b"".join(map(logdirs.framed, payloads))


def _one_changed(payloads: Sequence[bytes], luck: random.Random) -> list[bytes]:
    changed = list(payloads)
    place = luck.randrange(len(changed))
    match luck.randrange(4):
        case 0:
            changed.insert(luck.randrange(len(changed)), changed.pop(place))
        case 1:
            changed.insert(place, changed[luck.randrange(len(changed))])
        case _:
            changed[place] = mutated(changed[place], luck)
    return changed


def _flip(data: bytes, luck: random.Random) -> bytes:
    place = luck.randrange(len(data) or 1)
    return data[:place] + bytes(byte ^ 1 << luck.randrange(8) for byte in data[place : place + 1]) + data[place + 1 :]


def _replace(data: bytes, luck: random.Random) -> bytes:
    place = luck.randrange(len(data) or 1)
    return data[:place] + luck.randbytes(luck.randint(1, 8)) + data[place + 8 :]


def _cut(data: bytes, luck: random.Random) -> bytes:
    place = luck.randrange(len(data) or 1)
    return data[:place] + data[place + luck.randint(1, 64) :]


def _repeat(data: bytes, luck: random.Random) -> bytes:
    place = luck.randrange(len(data) or 1)
    return data[: place + 16] * 2 + data[place:]


def _insert(data: bytes, luck: random.Random) -> bytes:
    place = luck.randrange(len(data) or 1)
    return data[:place] + luck.choice([b"\xff" * 8, b"\x00" * 8, b'{"', b"</script>", b"\x80" * 4]) + data[place:]


def _number(data: bytes, luck: random.Random) -> bytes:
    """A number in the text of a header becomes another one."""
    digits = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
    if not digits:
        return data
    place = luck.choice(digits)
    return data[:place] + luck.choice([b"0", b"-1", b"9", b"99999999999999999999", b"1e999", b"null"]) + data[place + 1 :]
