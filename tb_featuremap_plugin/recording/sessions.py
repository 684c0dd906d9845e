"""Which folder a session writes into, so that no record of another one is replaced, or mixed with its own, in silence.

A session is what one writer writes. TensorBoard shows the files of a folder as one run: of a series whose step goes back, its fast
loader drops what came later, and its other one what a START says. So a session goes where that drops nothing that is not to be
replaced, and else into a folder of its own: beside the first (`featuremaps_session_2`) where that is a run of its own, and inside of it
(`session_2`) where it may be the logdir.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tb_featuremap_plugin.format import remote
from tb_featuremap_plugin.recording import storage
from tb_featuremap_plugin.schema.tags import shown_name

if TYPE_CHECKING:
    from tb_featuremap_plugin.reading.contents import Contents

_LEAST_KEPT = 0.1
"""Of the steps that a folder holds, the share that a session leaves as it is if it resumes them; one that leaves less began anew."""

_OCCUPIED = "another Monitor or writer writes there at the same time"
_UNKNOWN = "another session is there, and whether it has ended cannot be told where files cannot be locked"
_UNREADABLE = "what lies there cannot be read"


class Place(NamedTuple):
    """A folder and what stands in it.

    Attributes:
        folder: the folder.
        others: names of event files of this package that are not the session's own.
        living: whether one of them is being written; None where that cannot be told.
        foreign: whether there are event files of somebody else.
    """

    folder: str
    others: Sequence[str]
    living: bool | None
    foreign: bool


class Verdict(NamedTuple):
    """Whether a session writes into a place.

    Attributes:
        refused: why it does not, as the end of a sentence; None if it does.
        starts: whether readers are told to drop what the place holds from its first step on.
        replaces: the largest step that it holds, if it is dropped so; None if nothing is.
    """

    refused: str | None = None
    starts: bool = False
    replaces: int | None = None


def folder_of(base: str, number: int, *, alone: bool) -> str:
    """The folder of the session of a number: that of the first is the one that was given."""
    if number == 1:
        return base
    return f"{base.rstrip('/')}_session_{number}" if alone else storage.join(base, f"session_{number}")


def judge(place: Place, step: int, written: Collection[str], *, alone: bool, is_crowded: Callable[[], bool]) -> Verdict:
    """Decides on the place of a session that begins.

    Args:
        place: to be decided on.
        step: of the session's first event.
        written: tags of its values.
        alone: whether it must have the folder to itself, as a `Monitor` does: its tables name rows by number.
        is_crowded: whether there are several sessions already, so that nobody can tell which of them is resumed.
    """
    if not place.others:
        return Verdict(starts=not place.foreign)
    if place.living is not False:
        return judge_beside(place, written, alone=alone)
    if is_crowded():
        return Verdict("several sessions lie there, and which of them is gone on with is not known")
    return _judge_earlier(place, step)


def judge_beside(place: Place, written: Collection[str], *, alone: bool) -> Verdict:
    """Decides on a place where others write, or may write, or have written since this session was there."""
    if alone:
        return Verdict(_UNKNOWN if place.living is None else _OCCUPIED)
    return Verdict(clash(place, written))


def clash(place: Place, written: Collection[str]) -> str | None:
    """Why values of these tags must not stand beside what other writers write there, in words; None if they may."""
    if remote.is_remote(place.folder):
        return _UNKNOWN
    found = _contents(place)
    if found is None:
        return _UNREADABLE
    common = sorted(found.tags.intersection(written))
    return f"another writer writes {shown_name(common[0])!r} there, or did so until now" if common else None


def _judge_earlier(place: Place, step: int) -> Verdict:
    """Of a folder whose writers have ended: it is resumed, or a session begins anew."""
    found = _contents(place)
    if found is None:
        return Verdict(_UNREADABLE)
    if found.first is None or found.last is None or step > found.last:
        return Verdict(starts=not place.foreign)
    if step <= found.first + _LEAST_KEPT * (found.last - found.first):
        return Verdict(f"steps {found.first} to {found.last} of an earlier session are there, and would be replaced from step {step} on")
    return Verdict(starts=not place.foreign, replaces=found.last)


def _contents(place: Place) -> Contents | None:
    from tb_featuremap_plugin.reading.contents import contents_of  # when it is asked for: most folders are empty

    try:
        return contents_of(place.folder, place.others)
    except Exception:  # whatever lies there: what cannot be read is not written over
        return None
