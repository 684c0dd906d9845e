"""`tb-featuremap demo`: trains the example networks on real data, and serves a live training."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from tb_featuremap_plugin.cli.main import UsageError

NEEDED = {"tensorflow": "tensorflow", "sklearn": "scikit-learn"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "demo",
        help="train the example networks and write a logdir like demo_logdir/",
        description="Trains small networks on scikit-learn's digits and on drawn pictures, and logs them as any training would.",
    )
    parser.add_argument("logdir", metavar="DIR", nargs="?", default="demo_logdir", help="folder to write (default: %(default)s)")
    parser.add_argument(
        "--only", metavar="RUN", action="append", help="train this run only, such as digits or story3_lost_signal/asked; repeatable"
    )
    parser.add_argument("--serve", action="store_true", help="train one network on digits, and serve TensorBoard over it meanwhile")
    parser.add_argument("--beside", metavar="LOGDIR", help="with --serve: another logdir to show in the same TensorBoard")
    parser.add_argument("--port", type=int, help="with --serve: TensorBoard's port, 0 for any (default: 6006 or the next free one)")


def run(arguments: argparse.Namespace) -> int:
    """Carries it out."""
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(f"the demo trains with {' and '.join(missing)}: pip install 'tb-featuremap-plugin[demo]'")
    if arguments.beside and not Path(arguments.beside).is_dir():
        raise UsageError(f"--beside is {arguments.beside!r}, which is not a folder")
    if arguments.serve:
        from tb_featuremap_plugin.demo import serve

        return serve.serve(Path(arguments.logdir), beside=arguments.beside, port=arguments.port)
    from tb_featuremap_plugin.demo import build

    return build.build(Path(arguments.logdir), only=arguments.only)
