"""From the names in an app's grants to hardware on this board.

A resource is written as people say it: `GPIO17` for a line, `i2c-1:0x48` for an address on a bus,
`serial0` for a port. What comes back opens the hardware only when the app does.
"""

from edge.errors import GrantError
from edge.sandbox.setup import GpioGrant, HardwareGrant, I2CGrant, SerialGrant
from edge.wire.manifest import Grant, GrantKind
from edge.wire.messages import DesiredApp
from hal.board import AttachingBoard, Board
from hal.errors import HalError
from hal.gpio import Direction, Edge, LineConfig, Pull
from hal.i2c import check_address, parse_device_name
from hal.serial import SerialConfig


def resolve(spec: DesiredApp, board: Board) -> dict[str, HardwareGrant]:
    """What the app's grants open; raises GrantError naming the grant and the remedy."""
    unknown = spec.grants.keys() - spec.manifest.grants.keys()
    if unknown:
        raise GrantError(
            f"grants.{min(unknown)}: the app's manifest asks for no grant of this name "
            f"(it has: {', '.join(spec.manifest.grants) or 'none'})"
        )
    found: dict[str, HardwareGrant] = {}
    for name, grant in spec.manifest.grants.items():
        resource = spec.grants.get(name)
        if grant.kind is GrantKind.SECRET and (resource is None or name in spec.secrets):
            if resource is None and not grant.optional:
                raise GrantError(f"grants.{name}: the app needs a secret; grant secret:NAME/KEY")
            continue
        if resource is not None:
            found[name] = _grant(name, grant, resource, board)
        elif not grant.optional:
            raise GrantError(
                f"grants.{name}: the app needs a {grant.kind.value} resource; "
                f"grant one of this board's: {', '.join(board.resources()) or 'it has none'}"
            )
    return found


def _grant(name: str, grant: Grant, resource: str, board: Board) -> HardwareGrant:
    i2c = grant.kind is GrantKind.I2C
    if grant.kind is GrantKind.SECRET:
        raise GrantError(f"grants.{name}: the cloud did not send the secret {resource!r}")
    base, address = _i2c(name, resource) if i2c else (resource, 0)
    if base not in board.resources() and not _awaited(base, board):
        raise GrantError(
            f"grants.{name}: this board has no {base!r}; "
            f"it has: {', '.join(board.resources()) or 'nothing that can be granted'}"
        )
    match grant.kind:
        case GrantKind.GPIO:
            line = _line_config(grant)
            return GpioGrant(lambda: board.open_line(resource, line))
        case GrantKind.I2C:
            return I2CGrant(lambda: board.open_i2c(base, address))
        case GrantKind.SERIAL:
            serial = SerialConfig(
                baudrate=grant.baudrate, parity=grant.parity, stopbits=grant.stopbits
            )
            return SerialGrant(lambda: board.open_serial(resource, serial))


def _awaited(name: str, board: Board) -> bool:
    """Whether it may hang off a microcontroller that is not there: then opening it tells."""
    return isinstance(board, AttachingBoard) and board.awaits(name)


def _i2c(name: str, resource: str) -> tuple[str, int]:
    try:
        bus, address = parse_device_name(resource)
        check_address(bus, address)
    except (ValueError, HalError) as error:
        raise GrantError(f"grants.{name}: {error}") from None
    return bus, address


def _line_config(grant: Grant) -> LineConfig:
    return LineConfig(
        direction=Direction(grant.direction),
        pull=Pull(grant.pull),
        edge=Edge(grant.edge),
        active_low=grant.active_low,
        initial=grant.initial,
    )
