"""`tb-featuremap`: reads the command line and hands over to one module a command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from tb_featuremap_plugin._version import __version__
from tb_featuremap_plugin.reading.printable import printable

COMMANDS = ("diagnose", "compare", "doctor", "export", "pack", "demo")
"""Modules beside this one, in the order of `--help`; each has `add_parser(subparsers)` and `run(arguments) -> exit status`."""


class UsageError(Exception):
    """What was asked for cannot be done, such as reading a logdir that is not there: said in one line, exit status 2."""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(prog="tb-featuremap", description="Feature Maps for TensorBoard, from the command line.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"tb_featuremap_plugin.cli.{name}").add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: without the program's name; those of the process where None.

    Returns:
        The exit status: 0 if all is well, 2 if the command cannot be carried out, and what else a command says.
    """
    parsed = build_parser().parse_args(arguments)
    module = importlib.import_module(f"tb_featuremap_plugin.cli.{parsed.command}")
    try:
        status: int = module.run(parsed)
    except UsageError as error:
        print(f"tb-featuremap {parsed.command}: {printable(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    return status


if __name__ == "__main__":
    sys.exit(main())
