"""AES-256-GCM by the libcrypto that TLS has mapped already: encryption at rest without a new library.

Python has no authenticated encryption of its own, and importing one costs an agent megabytes for
good; OpenSSL is in the process since `ssl` was imported, and its EVP interface needs ten calls.
Rules: a sealed text is nonce, ciphertext, tag; a nonce is random and never chosen by the caller;
nothing is returned of a text whose tag is wrong. Any thread may call.
"""

import ctypes
import os
from functools import cache
from typing import Any

KEY_BYTES = 32
_NONCE, _TAG = 12, 16
_SET_NONCE_LENGTH, _GET_TAG, _SET_TAG = 0x9, 0x10, 0x11
"""EVP_CTRL_AEAD_* of openssl/evp.h."""


class SealBrokenError(ValueError):
    """The text was not sealed with this key and context, or was changed since."""


def seal(key: bytes, plain: bytes, context: bytes) -> bytes:
    """`plain` encrypted and bound to `context`, which must be given again to open it."""
    return _seal(key, os.urandom(_NONCE), plain, context)


def unseal(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """The inverse of `seal`; raises SealBrokenError."""
    if len(sealed) < _NONCE + _TAG:
        raise SealBrokenError("sealed: shorter than a nonce and a tag")
    nonce, body, tag = sealed[:_NONCE], sealed[_NONCE:-_TAG], sealed[-_TAG:]
    with _Context(key, nonce, encrypt=False) as cipher:
        plain = cipher.run(body, context)
        cipher.control(_SET_TAG, _TAG, ctypes.create_string_buffer(tag, _TAG))
        if not cipher.final():
            raise SealBrokenError("sealed: made with another key or for another use, or changed")
    return plain


def _seal(key: bytes, nonce: bytes, plain: bytes, context: bytes) -> bytes:
    tag = ctypes.create_string_buffer(_TAG)
    with _Context(key, nonce, encrypt=True) as cipher:
        body = cipher.run(plain, context)
        if not cipher.final():
            raise OSError("libcrypto: encryption failed")
        cipher.control(_GET_TAG, _TAG, tag)
    return nonce + body + tag.raw


@cache
def _library() -> Any:
    """libcrypto, with the argument types that a pointer needs; raises OSError when there is none."""
    try:
        found = ctypes.CDLL("libcrypto.so.3")
    except OSError as error:
        raise OSError(f"secrets need OpenSSL 3 (libcrypto.so.3): {error}") from None
    found.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p
    found.EVP_aes_256_gcm.restype = ctypes.c_void_p
    return found


class _Context:
    """One EVP_CIPHER_CTX; one thread."""

    def __init__(self, key: bytes, nonce: bytes, *, encrypt: bool) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"key: {len(key)} bytes, must be {KEY_BYTES}")
        self._ssl = _library()
        self._update = self._ssl.EVP_EncryptUpdate if encrypt else self._ssl.EVP_DecryptUpdate
        self._final = self._ssl.EVP_EncryptFinal_ex if encrypt else self._ssl.EVP_DecryptFinal_ex
        begin = self._ssl.EVP_EncryptInit_ex if encrypt else self._ssl.EVP_DecryptInit_ex
        self._handle = ctypes.c_void_p(self._ssl.EVP_CIPHER_CTX_new())
        cipher = ctypes.c_void_p(self._ssl.EVP_aes_256_gcm())
        self._must(begin(self._handle, cipher, None, None, None))
        self.control(_SET_NONCE_LENGTH, len(nonce), None)
        self._must(begin(self._handle, None, None, key, nonce))

    def __enter__(self) -> "_Context":
        return self

    def __exit__(self, *_: object) -> None:
        self._ssl.EVP_CIPHER_CTX_free(self._handle)

    def run(self, text: bytes, context: bytes) -> bytes:
        """Take the context in, then the text through."""
        done = ctypes.c_int(0)
        room = ctypes.create_string_buffer(len(text) + 16)
        size = ctypes.byref(done)
        if context:
            self._must(self._update(self._handle, None, size, context, len(context)))
        if not text:
            return b""
        self._must(self._update(self._handle, room, size, text, len(text)))
        return room.raw[: done.value]

    def final(self) -> bool:
        """Whether it ended well; for decryption: whether the tag is right."""
        rest = ctypes.create_string_buffer(16)
        return bool(self._final(self._handle, rest, ctypes.byref(ctypes.c_int(0))) == 1)

    def control(self, what: int, size: int, data: Any) -> None:
        """Set or get a parameter of the cipher."""
        self._must(self._ssl.EVP_CIPHER_CTX_ctrl(self._handle, what, size, data))

    def _must(self, result: int) -> None:
        if result != 1:
            raise OSError("libcrypto: AES-256-GCM is not to be had")
