"""The rows of the variables' table: each variable is measured by itself, so that one that fails costs its own row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.tensors import real_magnitude
from tb_featuremap_plugin.measures.weights.many import variable_rows
from tb_featuremap_plugin.measures.weights.variable import Change, Variable
from tb_featuremap_plugin.monitor.layer_layouts import LayerLayouts, ungrouped
from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.monitor.network import Network
from tb_featuremap_plugin.monitor.sharded_weights import JoinedVariable
from tb_featuremap_plugin.monitor.snapshots import Known, change_of
from tb_featuremap_plugin.schema.columns import VARIABLE_COLUMNS
from tb_featuremap_plugin.schema.network import Layer

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_OF_COMPLEX_CHANGE = (
    *("norm", "update_norm", "update_ratio", "update_max", "changed", "radial", "cosine", "displacement", "initial_norm"),
    *("gradient_norm", "gradient_mean_abs", "gradient_zeros", "gradient_nonfinite", "lost", "gradient_cosine"),
)
"""Columns that are of real and imaginary parts for complex variables: a weight whose phase alone turns does change."""


@dataclass(frozen=True)
class Subject:
    """A variable to be measured.

    Attributes:
        known: the value and what it is compared with.
        gradient: of the same shape, or None.
        dtype: as its framework calls it.
    """

    known: Known
    gradient: Array | None
    dtype: str | None


class VariableTable:
    """Measures variables.

    Args:
        layouts: of kernels.
        left_out: takes what fails.
    """

    def __init__(self, layouts: LayerLayouts, left_out: LeftOut) -> None:
        self._layouts = layouts
        self._left_out = left_out

    def rows(self, subjects: Mapping[str, Subject], network: Network) -> dict[str, Float32]:
        """Their rows, without those that cannot be measured; how often each was logged is left to the caller."""
        plain, odd = dict[str, Variable](), dict[str, Float32]()
        for name, subject in subjects.items():
            own = subject.known.now.value
            if own.dtype.kind == "c" or isinstance(own, np.ma.MaskedArray):
                self._add(odd, name, partial(_odd_row, subject, self._variable, name, network))
            else:
                variable = self._left_out.attempt(f"weights/{name}", partial(self._variable, name, subject, network))
                if variable is not None:
                    plain[name] = variable
        rows = {**self._measured(plain), **odd}
        return {name: rows[name] for name in subjects if name in rows}

    def sharded_row(self, name: str, joined: JoinedVariable, dtype: str | None, network: Network) -> Float32:
        """The row of a variable that no process holds all of."""
        layer = network.owner(name)
        layout = self._layouts.kernel(name, len(joined.shape), layer)
        value = np.broadcast_to(np.zeros((), np.float32), joined.shape) if joined.kernel is None else joined.kernel
        if joined.kernel is not None and layout is not None:
            value, layout = ungrouped(value, layout, layer)
        known = joined.kernel is not None
        variable = Variable(value, Change(gap=joined.gap), network.trainable(name), layout if known else None, dtype)
        numbers = variable.described() | joined.numbers | {"first_step": joined.initial_step}
        return np.array([numbers.get(column, np.nan) for column in VARIABLE_COLUMNS], np.float32)

    def _measured(self, variables: Mapping[str, Variable]) -> dict[str, Float32]:
        try:
            return dict(zip(variables, variable_rows(list(variables.values())), strict=True))
        except Exception:  # of one of them, which the others are measured without
            rows: dict[str, Float32] = {}
            for name, variable in variables.items():
                self._add(rows, name, variable.row)
            return rows

    def _add(self, rows: dict[str, Float32], name: str, make: Callable[[], Float32]) -> None:
        row = self._left_out.attempt(f"weights/{name}", make)
        if row is not None:
            rows[name] = row

    def _variable(self, name: str, subject: Subject, network: Network) -> Variable:
        value, layer = subject.known.now.value, network.owner(name)
        layout = self._layouts.kernel(name, value.ndim, layer)
        change = _comparable(change_of(subject.known, subject.gradient), value)
        if layout is not None:
            arrange = partial(_arranged, layout=layout, layer=layer)
            change = replace(_of_each(change, arrange), initial_sums=change.initial_sums)
            value, layout = ungrouped(value, layout, layer)
        return Variable(value, change, network.trainable(name), layout, subject.dtype)


Make = Callable[[str, Subject, Network], Variable]


def _odd_row(subject: Subject, make: Make, name: str, network: Network) -> Float32:
    """The row of a variable of complex numbers, or of one of which a part is masked."""
    value = subject.known.now.value
    if isinstance(value, np.ma.MaskedArray):
        return _masked_row(subject, network.trainable(name))
    own = make(name, subject, network)
    lengths = own._replace(value=real_magnitude(own.value), change=_of_each(own.change, real_magnitude))
    parts = _unordered(own, _parts(own.value), _of_each(own.change, partial(_parts, dtype=value.dtype)))
    row, change = lengths.row(), parts.row()
    columns = [VARIABLE_COLUMNS.index(column) for column in _OF_COMPLEX_CHANGE]
    row[columns] = change[columns]
    return row


def _unordered(variable: Variable, value: Array, change: Change) -> Variable:
    """The same variable with other entries, which are in no order that a layout tells."""
    return variable._replace(value=value, change=change, layout=None)


def _masked_row(subject: Subject, trainable: bool) -> Float32:
    value = subject.known.now.value
    mask = np.ma.getmaskarray(value)

    def kept(array: Array) -> Array | None:
        same = not isinstance(array, np.ma.MaskedArray) or np.array_equal(np.ma.getmaskarray(array), mask)
        return np.ma.getdata(array)[~mask] if same else None

    change = _of_each(change_of(subject.known, subject.gradient), kept)
    entries = np.ma.getdata(value)[~mask]
    return Variable(real_magnitude(entries), change, trainable, None, subject.dtype).row()


def _comparable(change: Change, value: Array) -> Change:
    """What a value is compared with, as real as it is itself: a complex gradient by its magnitude, and none of which a part is masked."""
    if all(type(array) is np.ndarray and (array.dtype.kind != "c" or value.dtype.kind == "c") for array in change.compared().values()):
        return change
    return _of_each(change, partial(_as_real_as, value))


def _as_real_as(value: Array, array: Array) -> Array | None:
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        return None
    plain: Array = np.asarray(np.ma.getdata(array))
    return plain if value.dtype.kind == "c" else real_magnitude(plain)


def _of_each(change: Change, make: Callable[[Array], Array | None]) -> Change:
    """A change with each of its arrays made anew; nothing is known of the sums over them."""
    names: Sequence[str] = ("previous", "initial", "before_previous", "previous_update", "gradient")
    made: dict[str, Any] = {name: None if getattr(change, name) is None else make(getattr(change, name)) for name in names}
    return replace(change, **made, initial_sums=None)


def _arranged(array: Array, *, layout: str, layer: Layer | None) -> Array:
    return ungrouped(array, layout, layer)[0]


def _parts(array: Array, dtype: np.dtype[Any] | None = None) -> Array:
    """Real and imaginary parts, side by side."""
    flat = np.ascontiguousarray(array, dtype or array.dtype).reshape(-1)
    parts: Array = flat.view(flat.real.dtype)
    return parts
