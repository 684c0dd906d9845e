"""What torch's functions are called in names of layers: `x + y`, `torch.add` and `x.add_(y)` are all "add"."""

from __future__ import annotations

_OPERATORS = {
    "truediv": "div",
    "floordiv": "floor_divide",
    "getitem": "",
    **{name: name for name in ("add", "sub", "mul", "div", "matmul", "pow", "neg", "mod", "and", "or", "xor", "invert")},
    **dict.fromkeys(("get", "set", "len", "bool", "setitem", "contains", "format", "repr", "str", "hash", "iter", "index"), ""),
}
_NOT_LAYERS = frozenset(
    {"size", "dim", "stride", "numel", "data_ptr", "detach", "clone", "contiguous", "to", "type", "float", "half", "requires_grad"}
)


def plain_function_name(name: str) -> str:
    """The name of a function for the name of its call; "" where that is nothing to look at.

    Args:
        name: as `__name__` says.
    """
    if name.startswith("__"):
        operator = name.strip("_")
        reflected = operator[1:] if operator[:1] in ("r", "i") and operator[1:] in _OPERATORS else operator
        return _OPERATORS.get(reflected, "")
    bare = name.strip("_")
    return "" if bare in _NOT_LAYERS else bare
