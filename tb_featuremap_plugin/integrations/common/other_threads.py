"""Whether code of the user's runs in another thread now."""

from __future__ import annotations

import sys
import threading
from typing import Any

from tb_featuremap_plugin.integrations.common.code_reach import is_foreign

_RUN_CODE_OF_OTHERS = ("concurrent", "multiprocessing")
"""Modules of the standard library whose threads run what they are given."""


def others_run_users_code() -> bool:
    """Whether a thread other than this one may be running the user's code; those of libraries are left out."""
    mine = threading.current_thread()
    return any(thread is not mine and _runs_users_code(thread) for thread in threading.enumerate())


_WAITING = "concurrent.futures.thread", "_worker"
"""Module and name of the innermost function of a pool's thread that waits for something to do."""


def _runs_users_code(thread: threading.Thread) -> bool:
    if thread.ident is not None and _is_idle(thread.ident):
        return False
    if thread is threading.main_thread() or isinstance(thread, threading.Timer):
        return True
    if isinstance(thread, threading._DummyThread):  # made by a library in another language
        return False
    target: Any = getattr(thread, "_target", None)
    code = type(thread) if target is None else getattr(target, "__func__", target)
    module = getattr(code, "__module__", None) or type(target).__module__
    return str(module).partition(".")[0] in _RUN_CODE_OF_OTHERS or not is_foreign(module)


def _is_idle(ident: int) -> bool:
    frame = sys._current_frames().get(ident)
    return frame is not None and (frame.f_globals.get("__name__"), frame.f_code.co_name) == _WAITING
