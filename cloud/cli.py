"""`skerry cloud`: run the service."""

import asyncio
import logging
import sys
from argparse import Namespace
from datetime import timedelta
from pathlib import Path

from starlette.applications import Starlette

from cloud.client import context
from cloud.client.errors import InputError
from cloud.local import REFRESH_SECONDS, Tell
from cloud.pki.certificates import pin
from cloud.pki.enrolment import Policy
from cloud.pki.identities import Identities
from cloud.service import Config, serve


def run(args: Namespace) -> None:
    """Run the service until it is told to stop."""
    host, port = _address(args.listen)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config(
        data_dir=args.data,
        host=host,
        port=port,
        insecure_loopback=args.insecure_loopback,
        names=tuple(args.name),
        key_store=args.key_store,
        policy=Policy(
            node_life=timedelta(days=args.node_days), reenrol=timedelta(days=args.reenrol_days)
        ),
    )

    async def started(url: str, app: Starlette) -> None:
        identities: Identities | None = app.state.identities
        if identities is None:
            print("skerry cloud: INSECURE: nothing is encrypted, tokens included", file=sys.stderr)
        else:
            signer = identities.enrolment.authority.signer
            print(f"skerry cloud: CA sha256:{pin(signer.certificate)}")
        path = await tell(app.state.tell, url)
        print(f"skerry cloud: commands of this user find CA and token in {path}")
        print(f"skerry cloud: listening at {url}, data in {args.data}", flush=True)

    async def tell(what: Tell, url: str) -> Path:
        loop = asyncio.get_running_loop()
        loop.call_later(REFRESH_SECONDS, lambda: tasks.add(loop.create_task(tell(what, url))))
        return context.save(await what(url, context.load(url)))

    tasks: set[asyncio.Task[Path]] = set()
    asyncio.run(serve(config, started))


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not host or int(port) > 65535:  # noqa: PLR2004
        raise InputError(f"--listen: {text!r} is not HOST:PORT, like 127.0.0.1:8480")
    return host.strip("[]"), int(port)
