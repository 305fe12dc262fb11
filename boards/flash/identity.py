"""What an image is, told before anything is written: whose board's, and how large a card it needs.

Pure: the image is asked through a function.
"""

from dataclasses import dataclass

from boards.board import board_of_signature
from boards.errors import BootPartitionError
from boards.flash.fat import MBR_SIZE, Fat, Read, boot_partition, partitions_end
from boards.flash.plan import HEAD
from boards.preseed import FILE_NAME


@dataclass(frozen=True, slots=True)
class Identity:
    """An image of ours."""

    board: str | None
    """Name; None for a board that this version does not know."""
    end: int
    """Bytes that its partitions take: the smallest card it fits on."""


def identify(read: Read) -> Identity:
    """Raises BootPartitionError for what is no image of ours."""
    boot_file_system(read).find(FILE_NAME)
    head = read(0, MBR_SIZE)
    return Identity(board_of_signature(head[440:444]), partitions_end(head))


def boot_file_system(read: Read) -> Fat:
    """That of the boot partition; raises BootPartitionError."""
    start = boot_partition(read(0, MBR_SIZE))
    if start < HEAD:
        raise BootPartitionError(f"the boot partition begins at byte {start}, before {HEAD}")
    return Fat(read, start)
