"""Makes tests/unit/trust/oracle.json with another implementation of COSE, PyPI's `cwt`.

`cwt` pins an older cbor2, so it has an environment of its own; the file is made once and kept:

    python -m venv /tmp/oracle && /tmp/oracle/bin/pip install cwt==3.3.0
    /tmp/oracle/bin/python tests/support/cose_oracle.py
"""

import hashlib
import json
from pathlib import Path

SEEDS = (bytes(range(32)), hashlib.sha256(b"another").digest())
PAYLOADS = (b"", b"This is the content.", bytes(range(256)))
EXTERNALS = (b"", bytes.fromhex("11aa22bb33cc44dd55006699"))
TYPE = "application/vnd.skerry.artifact-manifest.v1+cbor"
OUTPUT = Path(__file__).parents[1] / "unit" / "trust" / "oracle.json"


def vectors() -> list[dict[str, str]]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )
    from cwt import COSE, COSEKey  # noqa: PLC0415 - only in the oracle's environment

    found: list[dict[str, str]] = []
    for seed in SEEDS:
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        kid = hashlib.sha256(public).digest()
        # RFC 9053 section 7.2: OKP is 1, Ed25519 is 6, -2 is x, -4 is d.
        key = COSEKey.new({1: 1, -1: 6, 3: -8, -2: public, -4: seed})
        for payload in PAYLOADS:
            for external in EXTERNALS:
                envelope = COSE.new().encode(
                    payload,
                    key,
                    protected={1: -8, 3: TYPE, 4: kid},
                    external_aad=external,
                )
                found.append(
                    {
                        "seed": seed.hex(),
                        "payload": payload.hex(),
                        "external": external.hex(),
                        "envelope": envelope.hex(),
                    }
                )
    return found


if __name__ == "__main__":
    OUTPUT.write_text(json.dumps(vectors(), indent=1) + "\n")
