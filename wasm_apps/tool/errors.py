"""What can be wrong with an app project, as one tree.

AppToolError
├── ProjectError (ValueError)   the project is not one, or lacks something; names the file
├── ToolchainError              `ziglang` is missing or could not run
├── CompileError                the sources do not compile; carries the compiler's own words
└── ModuleError (ValueError)    the result is not a module that a node would run
"""


class AppToolError(Exception):
    """Base of everything raised by `wasm_apps.tool`."""


class ProjectError(AppToolError, ValueError):
    """The project lacks something, or its name is taken."""


class ToolchainError(AppToolError):
    """The compiler is missing or could not run."""


class CompileError(AppToolError):
    """The sources do not compile."""


class ModuleError(AppToolError, ValueError):
    """The module lacks what a node asks of it."""
