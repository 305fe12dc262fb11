"""`skerry cloud`: run the service."""

import asyncio
import logging
import sys
from argparse import Namespace

from cloud.access.bootstrap import CONTEXT
from cloud.client.errors import InputError
from cloud.service import Config, serve


def run(args: Namespace) -> None:
    """Run the service until it is told to stop."""
    host, port = _address(args.listen)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config(data_dir=args.data, host=host, port=port, insecure=args.insecure)

    def started(url: str) -> None:
        print(f"skerry cloud: listening at {url}, data in {args.data}", flush=True)
        print(f"skerry cloud: its administrator's token is in {args.data / CONTEXT}", flush=True)
        if args.insecure:
            print("skerry cloud: nothing is encrypted, tokens included", file=sys.stderr)

    asyncio.run(serve(config, started))


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not host or int(port) > 65535:  # noqa: PLR2004
        raise InputError(f"--listen: {text!r} is not HOST:PORT, like 127.0.0.1:8480")
    return host.strip("[]"), int(port)
