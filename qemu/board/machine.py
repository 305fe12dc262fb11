"""What a virtual board is made of, what it boots, and what is plugged into it: values only."""

import enum
from pathlib import Path

import msgspec

from qemu.board.errors import MachineError


class DiskBus(enum.StrEnum):
    """How a machine takes its disk."""

    VIRTIO = "virtio"
    SD = "sd"


class Directions(msgspec.Struct, frozen=True):
    """Where a chip tells which of its lines are outputs: words of fields, 1 for an output.

    Line n is field `n % per_word` of word `n // per_word`, counted from the word at `address`.
    """

    address: int
    per_word: int
    bits: int

    def address_of(self, line: int) -> int:
        """The word that tells of `line`."""
        return self.address + 4 * (line // self.per_word)

    def is_output(self, line: int, word: int) -> bool:
        """What that word tells."""
        return word >> (line % self.per_word * self.bits) & ((1 << self.bits) - 1) == 1


class Register(msgspec.Struct, frozen=True):
    """Where the levels of GPIO lines are read: bit 0 of the word at `address` is line `first`.

    Inputs are driven through the wires of the device of type `chip`, or by storing a bit in the
    words that set and clear levels.
    """

    address: int
    first: int
    count: int
    chip: str | None = None
    set_at: int | None = None
    clear_at: int | None = None
    directions: Directions | None = None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine of QEMU and what a test may ask of it."""

    name: str
    model: str
    """QEMU's `-machine`."""
    program: str = "qemu-system-aarch64"
    cpu: str | None = None
    """None: the model's own."""
    cores: int
    memory_mb: int
    console: str
    """The kernel's name for the first serial port."""
    disk: DiskBus
    network: str
    """QEMU's device for the network; the guest calls it eth0."""
    serial: str | None = None
    """A device that adds a serial port, or None where the machine has only one more of its own."""
    extra_ports: int
    """How many serial ports may be added."""
    i2c_buses: tuple[str, ...] = ()
    watchdog: str | None = None
    gpio: tuple[Register, ...] = ()
    has_rtc: bool
    firmware: str | None = None
    """U-Boot's name for the machine, where U-Boot boots it from its disk."""
    device_tree: str | None = None
    """The kernel package's file; None where QEMU makes one."""
    device_tree_without: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    """What a kernel must load for all of the above."""
    append: tuple[str, ...] = ()
    boot_s: float
    """A deadline for booting that a busy two-core machine keeps."""


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine boots. A disk is never written to: the board writes to a layer above it."""

    firmware: Path | None = None
    """Runs first, and finds the rest on the disk."""
    kernel: Path | None = None
    initrd: Path | None = None
    device_tree: Path | None = None
    append: tuple[str, ...] = ()
    disk: Path | None = None
    ready: str = "board is up after"
    """What the console says when the board is up."""


class Tmp105(msgspec.Struct, frozen=True):
    """A temperature sensor on an I2C bus, live: `board.sensor(name).celsius = 36.5`."""

    name: str = "tmp105"
    address: int = 0x48
    bus: str | None = None
    """QEMU's name; None: the machine's first."""


class Eeprom(msgspec.Struct, frozen=True):
    """256 bytes behind a pointer of one byte (AT24C02) on an I2C bus, empty at power-on."""

    name: str = "eeprom"
    address: int = 0x50
    bus: str | None = None
    """QEMU's name; None: the machine's first."""


class Fittings(msgspec.Struct, frozen=True, kw_only=True):
    """What one test plugs in and sets."""

    memory_mb: int | None = None
    sensors: tuple[Tmp105, ...] = ()
    eeproms: tuple[Eeprom, ...] = ()
    ports: tuple[str, ...] = ()
    """Names of serial ports to add."""
    watchdog: bool = False
    rtc: str = "utc"
    """`utc`, or the time at which the clock starts: `2031-05-04T12:00:00`."""
    forward: tuple[int, ...] = ()
    """TCP ports of the guest that the test reaches from the first instant on."""
    forward_from: tuple[tuple[int, int], ...] = ()
    """(port of 127.0.0.1, the guest's that it leads to): for people, who choose the number."""


NO_RTC = "1970-01-01T00:00:00"

VIRT = Machine(
    name="virt",
    model="virt",
    cpu="cortex-a53",
    cores=2,
    memory_mb=256,
    console="ttyAMA0",
    disk=DiskBus.VIRTIO,
    network="virtio-net-pci",
    serial="pci-serial",
    extra_ports=4,
    watchdog="i6300esb",
    # PL061's data register, read through the mask that selects all eight lines.
    gpio=(Register(0x0903_03FC, 0, 8, chip="pl061", directions=Directions(0x0903_0400, 32, 1)),),
    has_rtc=True,
    modules=("virtio_pci", "virtio_blk", "virtio_net", "i6300esb"),
    boot_s=60,
)

VIRT_UBOOT = msgspec.structs.replace(VIRT, name="virt-uboot", firmware="qemu_arm64")

# BCM2835 ARM Peripherals, section 6.1: three bits a line, ten lines a word.
_GPFSEL = Directions(0x3F20_0000, 10, 3)

RASPI3B = Machine(
    name="raspi3b",
    model="raspi3b",
    cores=4,
    memory_mb=1024,
    console="ttyAMA0",
    disk=DiskBus.SD,
    network="usb-net",
    extra_ports=1,
    i2c_buses=("i2c-bus.1", "i2c-bus.0", "i2c-bus.2"),
    gpio=(
        Register(0x3F20_0034, 0, 32, None, 0x3F20_001C, 0x3F20_0028, _GPFSEL),
        Register(0x3F20_0038, 32, 22, None, 0x3F20_0020, 0x3F20_002C, _GPFSEL),
    ),
    has_rtc=False,
    device_tree="broadcom/bcm2837-rpi-3-b.dtb",
    # The kernel would give the first UART to a Bluetooth chip that is not there.
    device_tree_without=("/soc/serial@7e201000/bluetooth",),
    modules=(
        "phy_generic",
        "dwc2",
        "cdc_ether",
        "rndis_host",
        "i2c_bcm2835",
        "i2c_dev",
        "bcm2835",
    ),
    append=("dwc_otg.lpm_enable=0",),
    boot_s=120,
)

MACHINES = {machine.name: machine for machine in (VIRT, VIRT_UBOOT, RASPI3B)}


def machine_named(name: str) -> Machine:
    """The machine of that name; raises MachineError with those there are."""
    try:
        return MACHINES[name]
    except KeyError:
        raise MachineError(f"no machine {name!r}; there are {', '.join(MACHINES)}") from None
