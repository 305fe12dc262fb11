"""Media types of the registry, shared by the service and by those who push to it."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ARTIFACT_TYPE = "application/vnd.skerry.app.v1"
CONFIG_TYPE = "application/vnd.skerry.app.manifest.v1+json"
"""JSON of `edge.wire.manifest.AppManifest`."""
MODULE_TYPE = "application/wasm"
SIGNATURE_TYPE = "application/vnd.skerry.signatures.v1"
"""artifactType of the manifest that carries an app's signatures; its one layer is COSE."""
ROOT_TYPE = "application/vnd.skerry.root.v1"
"""artifactType of the manifest that carries a root of trust."""
COSE_TYPE = "application/cose"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
"""Config of a manifest that needs none: OCI image-spec v1.1."""


def signature_tag(digest: str) -> str:
    """Where the signatures of a manifest lie in its repository, as cosign has it."""
    return digest.replace(":", "-") + ".sig"
