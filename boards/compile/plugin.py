"""Loaded by Nuitka as a user plugin: compiles one package and nothing else, for AArch64."""

import os

import nuitka.build.SconsInterface
from nuitka.plugins.PluginBase import NuitkaPluginBase

PACKAGE = "SKERRY_PACKAGE"
"""Environment variable with the name of the package; a plugin gets no arguments."""


class SkerryPlugin(NuitkaPluginBase):  # type: ignore[misc]  # no types
    """Keeps all else as bytecode: compiled, it is no faster and ten times as large."""

    plugin_name = "skerry"
    plugin_desc = "compile our packages for AArch64"

    def decideCompilation(self, module_name: object) -> str:  # noqa: N802 - Nuitka's name
        """Names in double underscores are Nuitka's own and must stay compiled."""
        name = str(module_name)
        own = name.partition(".")[0] == os.environ[PACKAGE]
        return "compiled" if own or name.startswith("__") else "bytecode"


def _architecture() -> str:
    return "aarch64"


nuitka.build.SconsInterface.getArchitecture = _architecture
