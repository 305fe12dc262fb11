"""What a node is told to have: instances as they travel."""

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cloud.errors import NotFound
from cloud.hub.desired import Object
from cloud.kinds.appinstance import AppInstance
from cloud.kinds.firmwareinstance import FirmwareInstance
from cloud.kinds.secret import Secret
from cloud.kinds.work import Instance, instance_name
from cloud.store.objects import Objects
from cloud.vault import Vault, names_in
from edge.aead import SealBrokenError
from edge.wire.codec import encode_app_spec, encode_firmware_spec
from edge.wire.errors import LocalError
from edge.wire.messages import DesiredApp, DesiredItem

KINDS: Mapping[str, type[Instance]] = MappingProxyType(
    {kind.wire_kind: kind for kind in (AppInstance, FirmwareInstance)}
)
"""What there is to have, by the kind that travels."""

_log = logging.getLogger("skerry.hub")


async def items_for(
    objects: Objects, vault: Vault, node: str, wanted: Sequence[Object]
) -> list[DesiredItem]:
    """The objects as one node gets them; what cannot travel is logged and left out."""
    items: list[DesiredItem] = []
    for what in wanted:
        name = instance_name(what.name, node)
        try:
            instance = await objects.get(KINDS[what.kind], name)
            spec = await _encoded(objects, vault, instance)
        except NotFound:
            continue  # deleted meanwhile: the next step says so
        except (LocalError, KeyError, SealBrokenError):
            _log.exception("%s cannot travel; its node keeps what it has", name)
            continue
        generation = instance.metadata.generation
        items.append(DesiredItem(kind=what.kind, name=what.name, generation=generation, spec=spec))
    return items


async def _encoded(objects: Objects, vault: Vault, instance: Instance) -> bytes:
    if isinstance(instance, FirmwareInstance):
        return encode_firmware_spec(instance.spec.desired)
    return encode_app_spec(await _filled(objects, vault, instance.spec.desired))


async def _filled(objects: Objects, vault: Vault, desired: DesiredApp) -> DesiredApp:
    """What the node gets: with the secrets it was granted; raises NotFound."""
    secrets = dict[str, Secret]()
    for name in names_in(desired.grants) if desired.secrets else ():
        secrets[name] = await objects.get(Secret, name)
    return vault.fill(desired, secrets)
