"""Build hook: a wheel without the dashboard is of no use, so building one stops instead."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

BUNDLE = Path(__file__).parent / "tb_featuremap_plugin" / "static" / "index.js"


class BuildWithBundle(build_py):
    """Checks that the built frontend is there; it is committed, so Node is never needed to install."""

    def run(self) -> None:
        """Builds the Python package."""
        if not self.editable_mode and not BUNDLE.exists():
            raise SystemExit(f"{BUNDLE} is missing: run `npm --prefix frontend ci && npm --prefix frontend run build`")
        super().run()


setup(cmdclass={"build_py": BuildWithBundle})
