"""Makes and builds app projects; stands alone, and needs only PyPI's `ziglang` to compile."""

from wasm_apps.tool.compiler import build
from wasm_apps.tool.project import Language, new

__all__ = ["Language", "build", "new"]
