"""Runs untrusted WebAssembly under named grants and enforced limits; only importer of wasmtime."""
