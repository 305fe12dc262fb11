"""Loaded by Nuitka as a user plugin: compiles nothing but what is ours, for AArch64."""

import nuitka.build.SconsInterface
from nuitka.plugins.PluginBase import NuitkaPluginBase

from boards.image.agent import OWN


class SkerryPlugin(NuitkaPluginBase):  # type: ignore[misc]  # no types
    """Keeps everything not ours as bytecode: compiled, it is no faster and ten times as large."""

    plugin_name = "skerry"
    plugin_desc = "compile our packages for AArch64"

    def decideCompilation(self, module_name: object) -> str:  # noqa: N802 - Nuitka's name
        """Names in double underscores are Nuitka's own and must stay compiled."""
        name = str(module_name)
        return "compiled" if name.startswith("__") or name.partition(".")[0] in OWN else "bytecode"


def _architecture() -> str:
    return "aarch64"


nuitka.build.SconsInterface.getArchitecture = _architecture
