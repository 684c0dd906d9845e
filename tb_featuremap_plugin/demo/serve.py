"""Trains a small network on digits and serves TensorBoard over it meanwhile: what `make demo` shows."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import webbrowser
from pathlib import Path
from types import FrameType

LIVE = "live"
EPOCHS = 60
_ADDRESS = re.compile(r"TensorBoard \S+ at (http://\S+)")


def serve(folder: Path, beside: str | None = None, port: int | None = None) -> int:
    """Runs until it is interrupted.

    Args:
        folder: made if it is not there; the training is logged into its sub-folder `live`, in place of an earlier one.
        beside: a logdir whose runs are copied to `folder`, so that they are served too.
        port: TensorBoard's; by default 6006 or the next one that is free.

    Returns:
        TensorBoard's exit status; 0 after an interrupt.
    """
    shutil.rmtree(folder / LIVE, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    if beside:
        shutil.copytree(beside, folder, dirs_exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    training = subprocess.Popen([sys.executable, "-m", "tb_featuremap_plugin.demo.digits", str(folder / LIVE), str(EPOCHS)])
    arguments = ["--logdir", str(folder), "--reload_interval=3", *([] if port is None else ["--port", str(port)])]
    tensorboard = subprocess.Popen([sys.executable, "-m", "tensorboard.main", *arguments], stderr=subprocess.PIPE, text=True)
    try:
        _announce(tensorboard)
        return tensorboard.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        for process in (tensorboard, training):
            process.terminate()
            process.wait()


def _announce(tensorboard: subprocess.Popen[str]) -> None:
    """Passes on what TensorBoard prints, and says where the tab is once it does."""
    for line in tensorboard.stderr or ():
        if match := _ADDRESS.search(line):
            address = f"{match[1].rstrip('/')}/#featuremaps"
            print(f"\nA network is learning digits. Look at it here:\n\n    {address}\n\nCtrl+C ends it.", flush=True)
            _open(address)
        else:
            sys.stderr.write(line)


def _open(address: str) -> None:
    """Opens the tab where there is a desktop to open it on."""
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
