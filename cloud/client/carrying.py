"""What verbs of apps and of firmware share: a push told, an object written, a rollout watched."""

import sys
from argparse import Namespace

from cloud.client import output
from cloud.client.api import Client, Json
from cloud.client.errors import ClientError, InputError
from cloud.client.registry import Reference, digest_of, signatures


def pin(reference: Reference) -> Json:
    """The part of an artifact in a spec that says which; the other is set to null."""
    is_digest = reference.version.startswith("sha256:")
    new, old = ("digest", "reference") if is_digest else ("reference", "digest")
    return {new: reference.version, old: None}


def tell_pushed(reference: Reference, digest: str, args: Namespace) -> None:
    """Print where an artifact is now, and the digest that pins it."""
    if args.output == "table":
        print(f"{reference.repository}:{reference.version}\n{reference.repository}@{digest}")
    else:
        found = {"repository": reference.repository, "tag": reference.version, "digest": digest}
        output.show(found, args.output)


def carry(client: Client, body: Json, args: Namespace) -> None:
    """Create or change the object; with `--wait` return when it runs everywhere."""
    artifact = body["spec"]["artifact"]
    if artifact["digest"]:
        signed = signatures(client, artifact["repository"], artifact["digest"])
        body["spec"]["rollout"] = {"retry": digest_of(signed)[-12:] if signed else ""}
    found, verb = client.apply(body)
    what = f"{found['kind'].lower()}/{found['metadata']['name']}"
    if not args.wait:
        _say(f"{what} {verb}", args)
    else:
        _say(f"{what} {verb}; waiting up to {args.timeout:g} s for it to run", args)
        found = _wait(client, found, args.timeout)
    if args.wait and args.output != "table":
        output.show(found, args.output)


def pairs(texts: list[str], option: str) -> dict[str, str]:
    """`["a=1"]` → `{"a": "1"}`; raises InputError naming the option."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InputError(f"{option}: {text!r} is not NAME=VALUE")
        found[key] = value
    return found


def _wait(client: Client, wanted: Json, timeout: float) -> Json:
    """The object once every selected node runs it; raises ClientError when it stops short."""
    kind, name = wanted["kind"].lower(), wanted["metadata"]["name"]
    what, last = f"{kind}/{name}", ""
    for found in client.watch(kind, fields=f"metadata.name={name}", timeout=timeout):
        status = found.get("status", {})
        if status.get("observedGeneration", 0) < wanted["metadata"]["generation"]:
            continue
        line = (
            f"  {status.get('updated', 0)}/{status.get('selected', 0)} updated, "
            f"{status.get('running', 0)} running, {status.get('ready', 0)} ready"
        )
        if "progress" in status:
            line += f", {status['progress']} % sent"
        if line != last:
            print(line, file=sys.stderr)
            last = line
        conditions = {c["type"]: c for c in status.get("conditions", [])}
        degraded = conditions.get("Degraded", {})
        if degraded.get("status") == "True":
            raise ClientError(f"{what}: {degraded.get('reason')}: {degraded.get('message')}")
        if conditions.get("Available", {}).get("status") == "True":
            return found
    raise ClientError(
        f"{what}: not ready after {timeout:g} s; see `skerry describe {kind} {name}`"
    )


def _say(text: str, args: Namespace) -> None:
    print(text, file=sys.stdout if args.output == "table" else sys.stderr)
