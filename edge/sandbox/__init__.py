"""Runs apps: untrusted WebAssembly, one thread each, behind the guest ABI (docs/guest-abi.md).

`compile` turns a module into code in a short-lived child; `guest` runs it; `host` and `wasi` are
the functions it may import; everything it may touch comes in through `setup` and `services`.
The only importer of wasmtime.
"""
