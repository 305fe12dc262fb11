"""Makes tests/unit/firmware/link_vectors.json with what others wrote: PyPI's `smpclient`, `cobs`.

They have an environment of their own; the file is made once and kept:

    python -m venv /tmp/oracle && /tmp/oracle/bin/pip install smpclient==7.3.0 cobs==1.2.2
    /tmp/oracle/bin/python tests/support/link_oracle.py
"""

import json
import zlib
from pathlib import Path

OUTPUT = Path(__file__).parents[1] / "unit" / "firmware" / "link_vectors.json"
CONTENTS = (
    b"",
    b"\0",
    b"123456789",
    b"\0\0a\0",
    bytes(range(256)),
    b"x" * 254,
    b"y" * 700 + b"\0",
)
VALUES = (
    *(
        0,
        23,
        24,
        255,
        256,
        65535,
        65536,
        2**32 - 1,
        2**32,
        2**64 - 1,
        -1,
        -24,
        -25,
        -256,
        -(2**64),
    ),
    *(True, False, None, 36.5, -0.125, 1e300, "", "grün", [], [1, [2, "drei"]], {"t": [1.5]}),
)


def vectors() -> dict[str, list[dict[str, object]]]:
    import cbor2  # noqa: PLC0415
    from cobs import cobs  # noqa: PLC0415
    from smp import header, image_management, os_management, packet  # noqa: PLC0415

    frames = [
        {
            "content": content.hex(),
            "frame": (
                b"\0" + cobs.encode(content + zlib.crc32(content).to_bytes(4, "little")) + b"\0"
            ).hex(),
        }
        for content in CONTENTS
    ]
    values = [{"value": value, "cbor": cbor2.dumps(value).hex()} for value in VALUES]
    messages = []
    for request in (
        os_management.EchoWriteRequest(d="hello"),
        os_management.ResetWriteRequest(),
        image_management.ImageStatesReadRequest(),
        image_management.ImageUploadWriteRequest(off=0, data=bytes(range(200)), len=4096),
        image_management.ImageUploadWriteRequest(off=200, data=b"\0" * 900),
    ):
        made = request.BYTES
        head = header.Header.loads(made[: header.Header.SIZE])
        content = cbor2.loads(made[header.Header.SIZE :])
        messages.append(
            {
                "operation": int(head.op),
                "group": int(head.group_id),
                "command": int(head.command_id),
                "sequence": head.sequence,
                "content": [
                    [key, "hex", value.hex()] if isinstance(value, bytes) else [key, "", value]
                    for key, value in content.items()
                ],
                "message": made.hex(),
                "console": b"".join(packet.encode(made, line_length=127)).hex(),
            }
        )
    return {"frames": frames, "values": values, "messages": messages}


if __name__ == "__main__":
    OUTPUT.write_text(json.dumps(vectors(), indent=1) + "\n")
