"""What the programs in `examples/stories` have in common: their command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class Train(Protocol):
    """Trains one variant of a story into a logdir; further keywords go to the logger."""

    def __call__(self, logdir: str, variant: str, **logging: Any) -> None:
        """Trains to the end."""


def run(train: Train, variants: Sequence[str], description: str | None, arguments: Sequence[str] | None = None) -> None:
    """Trains the variant that the command line asks for, and says how to look at it.

    Args:
        train: the story.
        variants: "asked" and one for each further flag, such as "mended" for `--mended`.
        description: the program's docstring.
        arguments: those of the process where None.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = parser.add_mutually_exclusive_group()
    for variant in variants[1:]:
        choice.add_argument(f"--{variant}", dest="variant", action="store_const", const=variant, help=f"train the {variant} variant")
    parser.add_argument("--logdir", default="logs", help="folder to log below (default: %(default)s)")
    parser.set_defaults(variant=variants[0])
    parsed = parser.parse_args(arguments)
    train(str(Path(parsed.logdir) / parsed.variant), parsed.variant)
    print(f"tensorboard --logdir {parsed.logdir}   then open the tab Feature Maps")
