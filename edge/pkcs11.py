"""The key of secrets in a PKCS#11 token: made there, used there, and never read out.

An RFC 7512 address names it: `pkcs11:token=LABEL;object=NAME?module-path=FILE&pin-source=file:FILE`.
Rules: the library is imported when a token is asked for and never before; a session that broke is
opened anew by the next call; a sealed text is what `edge.aead` makes: nonce, ciphertext, tag.
"""

import os
import threading
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar, cast

import pkcs11
from msgspec import Struct
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass, exceptions

from edge.aead import KEY_BYTES, SealBrokenError
from edge.errors import KeyStoreError

DEFAULT_OBJECT = "skerry-secrets"
_NONCE, _TAG = 12, 16
_PIN_LIMIT = 255
"""Characters; CK_TOKEN_INFO has a byte for a PIN's length."""

T = TypeVar("T")


class _Cipher(Protocol):
    """A key of the library that encrypts; its own types do not say so."""

    def encrypt(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: GCMParams
    ) -> bytes: ...

    def decrypt(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: GCMParams
    ) -> bytes: ...


class TokenError(OSError):
    """The token cannot be used; the text says which setting is wrong, and what to do."""


class TokenAddress(Struct, frozen=True):
    """What of RFC 7512 counts here."""

    token: str
    module: Path
    pin_file: Path
    object: str = DEFAULT_OBJECT


def parse(text: str) -> TokenAddress:
    """Raises KeyStoreError naming the attribute."""
    scheme, _, rest = text.partition(":")
    path, _, query = rest.partition("?")
    if scheme != "pkcs11":
        raise KeyStoreError(
            f"--key-store {text!r}: write pkcs11:token=…?module-path=…&pin-source=file:…"
        )
    found = _attributes(path.split(";")) | _attributes(query.split("&"))
    unknown = found.keys() - {"token", "object", "module-path", "pin-source"}
    if unknown:
        raise KeyStoreError(
            f"--key-store: {min(unknown)}: only token, object, module-path, pin-source"
        )
    for name in ("token", "module-path", "pin-source"):
        if not found.get(name):
            raise KeyStoreError(f"--key-store: {name}: missing")
    source = found["pin-source"]
    if not source.startswith("file:"):
        raise KeyStoreError(
            "--key-store: pin-source: must be file:PATH, so that no command line has it"
        )
    return TokenAddress(
        token=found["token"],
        module=Path(found["module-path"]),
        pin_file=Path(source.removeprefix("file:")),
        object=found.get("object") or DEFAULT_OBJECT,
    )


def _attributes(parts: list[str]) -> dict[str, str]:
    pairs = (part.partition("=") for part in parts if part)
    return {name: urllib.parse.unquote(value) for name, _, value in pairs}


class TokenKey:
    """A `KeyHolder` whose key is in a token; made there when it is first needed."""

    def __init__(self, address: TokenAddress) -> None:
        self._address = address
        self._lock = threading.Lock()
        """A session of PKCS#11 does one thing at a time."""
        self._key: _Cipher | None = None

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt, bound to a context; raises TokenError."""
        nonce = os.urandom(_NONCE)
        return nonce + self._with_key(lambda key: _encrypt(key, nonce, plain, context))

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """The inverse; raises SealBrokenError, TokenError."""
        if len(sealed) < _NONCE + _TAG:
            raise SealBrokenError("sealed: shorter than a nonce and a tag")
        nonce, body = sealed[:_NONCE], sealed[_NONCE:]
        return self._with_key(lambda key: _decrypt(key, nonce, body, context))

    def _with_key(self, work: Callable[[_Cipher], T]) -> T:
        with self._lock:
            try:
                if self._key is None:
                    self._key = self._open()
                return work(self._key)
            except pkcs11.PKCS11Error as error:
                self._key = None
                raise TokenError(self._blame(error)) from error

    def _open(self) -> _Cipher:
        address = self._address
        try:
            pin = address.pin_file.read_text()[: _PIN_LIMIT + 1].strip()
        except OSError as error:
            raise TokenError(f"pin-source: {address.pin_file}: {error.strerror}") from error
        token = pkcs11.lib(str(address.module)).get_token(token_label=address.token)
        try:
            session = token.open(user_pin=pin, rw=True)
        except exceptions.UserAlreadyLoggedIn:  # a process logs in once, for all its sessions
            session = token.open(rw=True)
        kind = ObjectClass.SECRET_KEY
        try:
            return cast("_Cipher", session.get_key(object_class=kind, label=address.object))
        except exceptions.NoSuchKey:
            made = session.generate_key(
                KeyType.AES,
                KEY_BYTES * 8,
                label=address.object,
                store=True,
                template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
            )
            return cast("_Cipher", made)

    def _blame(self, error: pkcs11.PKCS11Error) -> str:
        address, said = self._address, f"{type(error).__name__} {error}".strip()
        match error:
            case exceptions.NoSuchToken():
                return f"token: no token {address.token!r} is there; plug it in, or initialise it"
            case exceptions.PinIncorrect():
                return f"pin-source: the token refuses the PIN of {address.pin_file}"
            case exceptions.PinLocked():
                return f"token: {address.token!r} is locked; its security officer must unlock it"
            case exceptions.MultipleObjectsReturned():
                return f"object: the token has several keys {address.object!r}; remove all but one"
            case _:
                return f"token {address.token!r} of {address.module}: {said}"


def _encrypt(key: _Cipher, nonce: bytes, plain: bytes, context: bytes) -> bytes:
    how = GCMParams(nonce, context, _TAG * 8)
    return key.encrypt(plain, mechanism=Mechanism.AES_GCM, mechanism_param=how)


def _decrypt(key: _Cipher, nonce: bytes, body: bytes, context: bytes) -> bytes:
    how = GCMParams(nonce, context, _TAG * 8)
    try:
        return key.decrypt(body, mechanism=Mechanism.AES_GCM, mechanism_param=how)
    except (
        exceptions.GeneralError,  # what SoftHSM says of a wrong tag
        exceptions.EncryptedDataInvalid,
        exceptions.EncryptedDataLenRange,
    ) as error:
        raise SealBrokenError(
            "sealed: made with another key or for another use, or changed"
        ) from error
