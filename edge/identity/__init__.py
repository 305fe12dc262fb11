"""Who this node is: a key that never leaves it, and certificates that follow one another.

`lifetime` decides when, `slots` is what lies on the disk, `worker` does the cryptography in a
short-lived child, `enrol` speaks with the cloud, `keeper` is what the agent holds.
"""
