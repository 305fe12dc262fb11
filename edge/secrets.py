"""Secrets of apps on the node: sealed before they reach the store, opened when an app asks."""

from collections.abc import Callable, Mapping
from functools import partial

from msgspec import structs

from edge.keyholder import KeyHolder
from edge.wire.codec import decode_app_spec, encode_app_spec
from edge.wire.errors import DecodeError
from edge.wire.events import DesiredStep
from edge.wire.messages import DesiredApp, DesiredItem

APP = "app"


class SecretKeeper:
    """Seals what arrives and opens what is kept, with one holder's key. Any thread may call."""

    def __init__(self, holder: KeyHolder) -> None:
        self._holder = holder

    def seal_step(self, step: DesiredStep) -> DesiredStep:
        """The step as the store may see it; what cannot be read passes and is refused later."""
        return structs.replace(step, put=tuple(self._sealed(item) for item in step.put))

    def openers(self, name: str, spec: DesiredApp) -> Mapping[str, Callable[[], bytes]]:
        """For each grant of a secret what opens it, for an app's life."""
        return {
            grant: partial(self._holder.unseal, secret.value, _context(name, grant))
            for grant, secret in spec.secrets.items()
        }

    def _sealed(self, item: DesiredItem) -> DesiredItem:
        if item.kind != APP:
            return item
        try:
            spec = decode_app_spec(item.spec)
        except DecodeError:
            return item
        if not spec.secrets:
            return item
        secrets = {
            grant: structs.replace(
                secret, value=self._holder.seal(secret.value, _context(item.name, grant))
            )
            for grant, secret in spec.secrets.items()
        }
        sealed = structs.replace(spec, secrets=secrets)
        return structs.replace(item, spec=encode_app_spec(sealed))


def _context(app: str, grant: str) -> bytes:
    """A sealed value moved to another app or grant does not open."""
    return f"{app}/{grant}".encode()
