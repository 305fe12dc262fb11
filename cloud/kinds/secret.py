"""Secret: values for apps, written by people, read by nobody but the nodes whose Apps name them.

Rules: `data` is sealed on its way in (cloud.vault) and shown as digests of the sealed text, so that
`get`, `watch`, the audit log and the database never hold a value. A shown digest sent back, as
`kubectl edit` and merge patches do, keeps the value it stands for.
"""

import hashlib
from typing import Annotated, Literal

from msgspec import Meta, field, structs

from cloud.errors import Unavailable
from cloud.kinds.columns import age
from cloud.kinds.meta import Metadata, Model, Object
from cloud.kinds.scheme import Column, Kind

VALUE_LIMIT = 8 << 10
"""Characters of a value; sealed and in base64 it is a third longer. Keys and certificates fit."""
SEALED = "sealed:"
"""What a shown value begins with, followed by a digest."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

SecretKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9._]{0,61}[A-Za-z0-9])?$")]


class SecretSpec(Model, frozen=True, kw_only=True):
    """Named values."""

    data: Annotated[
        dict[SecretKey, Annotated[str, Meta(max_length=2 * VALUE_LIMIT)]], Meta(max_length=32)
    ] = field(default_factory=dict[str, str])


class NoStatus(Model, frozen=True, kw_only=True):
    """There is no status to tell."""


class Secret(Object, frozen=True, kw_only=True):
    """Values for apps."""

    kind: Literal["Secret"] = "Secret"
    metadata: Metadata
    spec: SecretSpec
    status: NoStatus = NoStatus()


def digest_of(sealed: str) -> str:
    """Names a sealed value without telling anything of it: it is of the ciphertext."""
    return hashlib.sha256(sealed.encode()).hexdigest()[:12]


def shown(secret: Secret) -> Secret:
    """The secret as clients see it."""
    data = {key: SEALED + digest_of(value) for key, value in secret.spec.data.items()}
    return without_copies(structs.replace(secret, spec=SecretSpec(data=data)))


def without_copies(secret: Secret) -> Secret:
    """The secret without the annotation in which kubectl keeps all it was given."""
    kept = {k: v for k, v in secret.metadata.annotations.items() if k != _LAST_APPLIED}
    return structs.replace(secret, metadata=structs.replace(secret.metadata, annotations=kept))


def _no_vault(_new: Secret, _old: Secret | None) -> Secret:
    raise Unavailable("secrets: this service has no key to seal them with")


SECRET = Kind(
    type=Secret,
    plural="secrets",
    short_names=(),
    incoming=_no_vault,
    outgoing=shown,
    columns=(
        Column("Name", lambda secret, _: secret.metadata.name, "name of the secret"),
        Column("Keys", lambda secret, _: ",".join(sorted(secret.spec.data)), "what it holds"),
        Column(
            "Age", lambda secret, now: age(secret.metadata.creation_timestamp, now), "since when"
        ),
    ),
)
