"""The protocol between a node and the cloud: sans-I/O, both roles, no clock.

`messages` is what travels, `codec` its bytes, `session` its rules, `events` what it tells its
owner, `backoff` when to try again, `manifest` what an app declares about itself.
docs/wire-protocol.md says it in words.
"""
