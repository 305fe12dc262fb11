"""WASI preview 1, the part of it that an app of ours can have: docs/guest-abi.md says which.

Ours rather than wasmtime's, because storage must have an exact quota, descriptors a bound, sleeps
an end, and output must become log lines (docs/decisions/2026-11-23-own-wasi.md). The layout of
every structure is witx `wasi_snapshot_preview1`.
"""
