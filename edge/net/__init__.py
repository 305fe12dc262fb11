"""Outbound connections of the agent, thin asyncio shells around wsproto and h11.

Nothing listens. `address` reads URLs, `stream` opens TCP and TLS, `websocket` and `http` speak.
"""
