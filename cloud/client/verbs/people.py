"""Who may do what: boards, people, machines."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry import Verbs


def add(verbs: "Verbs") -> None:
    """Add them."""
    _identities(verbs)
    _access(verbs)


def _identities(verbs: "Verbs") -> None:
    where = "cloud.client.identities"
    does = verbs.group("token")
    create = does.verb("create", f"{where}:token_create", "print a join token, once")
    create.add_argument("--uses", type=int, default=1, help="how many boards may join with it")
    create.add_argument("--expires", default="24h", metavar="TIME", help="30m, 24h, 7d")
    create.add_argument("--pattern", default="*", help="names it may be used for: barn-*")
    create.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="label that each board gets; may be repeated",
    )
    create.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME",
        help="label that a board may choose for itself, as a pattern; may be repeated",
    )
    verbs.cloud(create)
    verbs.cloud(does.verb("list", f"{where}:token_list", "show tokens without secrets"))
    delete = does.verb("delete", f"{where}:token_delete", "make tokens worthless")
    delete.add_argument("tokens", nargs="+", metavar="token", help="as `skerry token list` shows")
    verbs.cloud(delete, output=False)
    does = verbs.group("node")
    verbs.cloud(does.verb("requests", f"{where}:requests", "show boards that wait to join"))
    for name, text in (
        ("approve", "let a waiting board in"),
        ("refuse", "forget a waiting board"),
        ("revoke", "end a board's identity and its connection, now"),
    ):
        verb = does.verb(name, f"{where}:{name}", text)
        verb.add_argument("node", help="its name")
        verbs.cloud(verb, output=False)
    does = verbs.group("ca")
    for name, text in (
        ("show", "show whom nodes trust"),
        ("rotate", "make the next CA; nodes learn to trust it"),
        ("activate", "issue from the next CA"),
        ("retire", "distrust the older CA"),
    ):
        verb = does.verb(name, f"{where}:ca", text)
        verb.set_defaults(step=name)
        if name in {"activate", "retire"}:
            verb.add_argument("--force", action="store_true", help="although nodes lag behind")
        verbs.cloud(verb)
    trust = verbs.verb("trust", "cloud.client.context:trust", "trust the CA of a cloud")
    trust.add_argument("url", help="https://cloud.example:8480")
    trust.add_argument("--pin", required=True, metavar="sha256:HEX", help="from `skerry ca show`")


def _access(verbs: "Verbs") -> None:
    does = "cloud.client.access:"
    for name, plural in (("user", "users"), ("serviceaccount", "serviceaccounts")):
        acts = verbs.group(name, accounts=plural)
        create = acts.verb("create", f"{does}create", "make an account and show its token once")
        create.add_argument("name", help="like names of apps")
        create.add_argument(
            "--role",
            action="append",
            default=[],
            metavar="ROLE",
            help="viewer, operator, repl, admin or one of your own; may be repeated",
        )
        shown = acts.verb("list", f"{does}accounts", "list accounts")
        remove = acts.verb("delete", f"{does}remove", "delete an account and all its tokens")
        remove.add_argument("name", help="the account")
        token = acts.verb("token", f"{does}token", "make one more token, shown once")
        token.add_argument("name", help="the account")
        token.add_argument("--description", default="", metavar="TEXT", help="what it is for")
        tokens = acts.verb("tokens", f"{does}tokens", "list tokens, without their text")
        revoke = acts.verb("revoke", f"{does}revoke", "make a token invalid")
        revoke.add_argument("id", help="as `tokens` shows it")
        for verb in (create, token):
            verb.add_argument(
                "--expires", metavar="SPAN", help="like 12h or 90d; never by default"
            )
        for verb in (create, shown, token, tokens):
            verbs.cloud(verb)
        for verb in (remove, revoke):
            verbs.cloud(verb, output=False)
    login = verbs.verb("login", f"{does}login", "keep a token, read from standard input")
    verbs.cloud(login, output=False)
    verbs.cloud(verbs.verb("whoami", f"{does}whoami", "show who the cloud takes us for"))
    audit = verbs.verb("audit", f"{does}audit", "show who did what on the API")
    audit.add_argument("--actor", help="only of this user or service")
    audit.add_argument("--verb", help="only this: create, patch, delete")
    audit.add_argument("--kind", help="only of this kind: apps, tokens")
    audit.add_argument("--name", help="only of objects of this name")
    audit.add_argument("-n", "--limit", type=int, default=100, help="newest records shown")
    audit.add_argument("-f", "--follow", action="store_true", help="go on as they are written")
    verbs.cloud(audit)
    kubeconfig = verbs.verb(
        "kubeconfig", f"{does}kubeconfig", "print a kubeconfig for kubectl, token included"
    )
    verbs.cloud(kubeconfig, output=False)
