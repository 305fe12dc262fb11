"""`skerry cloud`: run the service."""

import asyncio
import logging
import sys
from argparse import Namespace
from datetime import timedelta

from starlette.applications import Starlette

from cloud.client import contexts
from cloud.client.errors import InputError
from cloud.pki.certificates import pin
from cloud.pki.enrolment import Enrolment, Policy
from cloud.pki.identities import Identities
from cloud.pki.local import REFRESH_SECONDS, make_context
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
        policy=Policy(
            node_life=timedelta(days=args.node_days), reenrol=timedelta(days=args.reenrol_days)
        ),
    )

    async def started(url: str, app: Starlette) -> None:
        identities: Identities | None = app.state.identities
        if identities is None:
            print("skerry cloud: INSECURE: nothing is encrypted or authenticated", file=sys.stderr)
        else:
            enrolment = identities.enrolment
            await tell(enrolment, url)
            print(f"skerry cloud: CA sha256:{pin(enrolment.authority.signer.certificate)}")
        print(f"skerry cloud: listening at {url}, data in {args.data}", flush=True)

    async def tell(enrolment: Enrolment, url: str) -> None:
        contexts.save(await make_context(enrolment, url, contexts.load, config.clock))
        loop = asyncio.get_running_loop()
        loop.call_later(REFRESH_SECONDS, lambda: tasks.add(loop.create_task(tell(enrolment, url))))

    tasks: set[asyncio.Task[None]] = set()
    asyncio.run(serve(config, started))


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not host or int(port) > 65535:  # noqa: PLR2004
        raise InputError(f"--listen: {text!r} is not HOST:PORT, like 127.0.0.1:8480")
    return host.strip("[]"), int(port)
