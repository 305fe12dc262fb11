"""Every error of boards and flashing, as one tree.

BoardsError
├── BoardFileError (ValueError)     a board file is wrong; names file and key
├── UnknownBoardError (LookupError) no board of that name
├── PreseedError (ValueError)       a first-boot setting is wrong; names the key, never a secret
├── ImageFactsError (ValueError)    facts for a list of images are wrong; names the field
└── FlashError
    ├── TargetRefusedError          nothing was touched; says what to do first
    ├── ImageError (ValueError)     the image cannot be read, or is not what it should be
    │   └── OutOfReachError         a stream cannot be looked at so far ahead
    ├── BootPartitionError          the image has no boot partition with a skerry.toml
    ├── DeviceFailedError (OSError) the target failed; what is on it is unfinished
    └── VerifyError                 the target gave back something else than it was given
"""


class BoardsError(Exception):
    """Base of every error raised by `boards`."""


class BoardFileError(BoardsError, ValueError):
    """A board file is wrong; the message names file and key."""


class UnknownBoardError(BoardsError, LookupError):
    """There is no board of that name."""


class PreseedError(BoardsError, ValueError):
    """A first-boot setting is wrong; the message names the key and never holds a secret."""


class ImageFactsError(BoardsError, ValueError):
    """Facts for a list of images are wrong; the message names the field."""


class FlashError(BoardsError):
    """Base of what flashing can end with."""


class TargetRefusedError(FlashError):
    """The target must not be written; nothing was touched."""


class ImageError(FlashError, ValueError):
    """The image cannot be read, is cut short, or is not what its digest says."""


class OutOfReachError(ImageError):
    """A part of a stream was asked for that lies too far ahead to be kept."""


class BootPartitionError(FlashError):
    """There is no FAT boot partition with a `skerry.toml` to write settings into."""


class DeviceFailedError(FlashError, OSError):
    """Writing or reading the target failed; what is on it is unfinished."""


class VerifyError(FlashError):
    """The target gave back something else than it was given."""
