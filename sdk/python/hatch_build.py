"""Runs generate.py when a wheel or a source distribution is built."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))


class Generate(BuildHookInterface[Any]):
    """Generated code is in the wheel, and not in git: there it would only drift from the protos."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files of the distribution are collected."""
        from generate import PACKAGE, contract, generate

        generate(contract(), PACKAGE)
