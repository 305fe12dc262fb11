"""Writing an image to a card, so that success means: it is there, and it is what was asked for.

Rules: `plan`, `bmap`, `fat` and `judge` decide and do no I/O; `source`, `target`, `machine` and
`flasher` perform. Every operating-system error leaves as an error of `boards.errors`.
"""
