"""Runs from event files of which nothing is read before it is asked for, and no picture but the one that is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event

from tb_featuremap_plugin.reading.event_records import Block, OnDamage
from tb_featuremap_plugin.reading.raw_series import RawRun
from tb_featuremap_plugin.reading.run import Points
from tb_featuremap_plugin.reading.run_reader import LatestEvents, RunReader
from tb_featuremap_plugin.reading.skimming import holds_ours, skim_blocks, skim_record
from tb_featuremap_plugin.reading.stored_files import RunFiles, StoredFile

CHECKED_BYTES = 1 << 24
"""A local file of up to this size is read whole, which takes some hundredths of a second: so damage is found at no cost that is felt."""

MOST_RUNS = 16
"""Runs whose numbers are held at once; that of the longest ago is read again when it is asked for."""


class LazyReaders:
    """Makes readers that share a bound on what they hold."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, _Skimmer] = OrderedDict()
        self._latest = LatestEvents()

    def __call__(self, run: RunFiles) -> LazyReader:
        """A reader of one run."""
        return LazyReader(run, self)

    def read(self, run: RunFiles) -> RunReader:
        """The run, read now unless it is held."""
        reader = self._held.pop(run.name, None) or _Skimmer(run, self._latest)
        self._held[run.name] = reader
        if len(self._held) > MOST_RUNS:
            self._held.popitem(last=False)
        return reader


class LazyReader:
    """What a `RunReader` gives, of a run that is read when something of it is asked for."""

    def __init__(self, run: RunFiles, readers: LazyReaders) -> None:
        self.name = run.name
        self._run = run
        self._readers = readers
        self._damages: list[str] = []

    @cached_property
    def is_ours(self) -> bool:
        """Whether anything of this plugin is in the run; reads no more than it takes to know that."""
        return holds_ours(self._run, self._damages.append)

    @property
    def damage(self) -> str | None:
        """Why it is not known whether anything of this plugin is in the run; None where it is known."""
        return None if self.is_ours or not self._damages else self._damages[0]

    def scalar_tags(self) -> list[str]:
        """Tags of the scalar series."""
        return self._read().scalar_tags()

    def scalar(self, tag: str) -> Points | None:
        """A scalar series; None if there is none of that tag."""
        return self._read().scalar(tag)

    def raw(self) -> RawRun:
        """What was found of this plugin."""
        return self._read().raw()

    def blob(self, tag: str, step: int) -> bytes | None:
        """The blob written last under a tag and step."""
        return self._read().blob(tag, step)

    def _read(self) -> RunReader:
        return self._readers.read(self._run)


class _Skimmer(RunReader):
    """Skips pictures until they are asked for."""

    def _blocks(self, file: StoredFile, on_damage: OnDamage) -> Iterator[Block]:
        return skim_blocks(file, on_damage, checked=CHECKED_BYTES)

    def _record(self, at: int) -> bytes | None:
        """A run record, without the pictures beside it: it has a checksum of its own."""
        number, offset, place = self._events.place_of(at)
        try:
            event = skim_record(self._files[number], offset)
            strings = Event.FromString(event).summary.value[place].tensor.string_val if event else ()
        except (OSError, LookupError, DecodeError):
            return None
        return strings[0] if strings and strings[0] else self._stored(at)
