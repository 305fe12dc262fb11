"""Where nodes connect: an asyncio shell around `edge.wire`'s sessions, and what they mean.

`connection` is one node's session, `desired` what each shall have, `nodes` what the API says of
them, `hub` all of it together.
"""
