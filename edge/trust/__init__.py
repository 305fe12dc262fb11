"""Who may say what runs: COSE signatures, signed manifests, and a root with TUF's rules.

Pure: no I/O, no clock (time is an argument), no randomness (so are seeds). Only `keys` imports
`cryptography`, and only `signing` and `judge` import `keys`: the agent reads roots and manifests
without loading 4 MB that it needs for milliseconds. docs/signing.md is the whole story.
"""
