"""Every error of building an image, as one tree.

BuildError
├── ToolError       a program that builds is missing or failed; says how to get it
├── PackageError    a package or wheel cannot be had; says what to do
├── ForeignError    a file of another architecture, or one that needs what the image lacks
└── SpaceError      something does not fit into its partition
"""

from boards.errors import BoardsError


class BuildError(BoardsError):
    """Base of every error of building an image."""


class ToolError(BuildError):
    """A program that builds is missing or failed."""


class PackageError(BuildError):
    """A package or wheel cannot be had, or has other bytes than are pinned."""


class ForeignError(BuildError):
    """A program or library could not run on the board that the image is for."""


class SpaceError(BuildError):
    """Something does not fit into its partition."""
