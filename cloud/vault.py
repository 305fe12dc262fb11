"""Seals Secrets for the database and opens them for the nodes whose Apps are granted them.

The key is in a file beside the database, or with a holder in hardware: a copy of the database
alone tells nothing. Each value is bound to its place, so that a sealed text copied under another
name does not open.
"""

import base64
from collections.abc import Mapping

from msgspec import structs

from cloud.errors import Invalid
from cloud.kinds.meta import Metadata
from cloud.kinds.secret import SEALED, VALUE_LIMIT, Secret, SecretSpec, digest_of, without_copies
from edge.keyholder import KeyHolder
from edge.wire.messages import DesiredApp, GrantedSecret

PREFIX = "secret:"
"""What a resource in an App's grants begins with: `secret:NAME/KEY`."""


class Vault:
    """One holder's view of Secrets. Any thread may call."""

    def __init__(self, holder: KeyHolder) -> None:
        self._holder = holder

    def incoming(self, new: Secret, old: Secret | None) -> Secret:
        """The secret as it is stored; raises Invalid for a value that is too long."""
        kept: Mapping[str, str] = old.spec.data if old is not None else {}
        data: dict[str, str] = {}
        for key, value in new.spec.data.items():
            if key in kept and value == SEALED + digest_of(kept[key]):
                data[key] = kept[key]
                continue
            if len(value.encode()) > VALUE_LIMIT:
                raise Invalid(f"spec.data.{key}: longer than {VALUE_LIMIT} bytes")
            place = _place(new.metadata, key)
            data[key] = base64.b64encode(self._holder.seal(value.encode(), place)).decode()
        return without_copies(structs.replace(new, spec=SecretSpec(data=data)))

    def fill(self, desired: DesiredApp, secrets: Mapping[str, Secret]) -> DesiredApp:
        """What goes to the node: the values of what was granted; raises SealBrokenError, KeyError."""
        filled: dict[str, GrantedSecret] = {}
        for grant, secret in desired.secrets.items():
            name, _, key = secret.ref.partition("@")[0].partition("/")
            found = secrets[name]
            sealed = base64.b64decode(found.spec.data[key])
            value = self._holder.unseal(sealed, _place(found.metadata, key))
            filled[grant] = structs.replace(secret, value=value)
        return structs.replace(desired, secrets=filled)


def names_in(grants: Mapping[str, str]) -> set[str]:
    """Names of the Secrets that grants point to."""
    pointed = (each.removeprefix(PREFIX) for each in grants.values() if each.startswith(PREFIX))
    return {each.partition("/")[0] for each in pointed}


def _place(metadata: Metadata, key: str) -> bytes:
    return f"{metadata.namespace}/{metadata.name}/{key}".encode()
