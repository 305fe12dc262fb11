"""What the node must not lose: desired set, outbox, key-value; only importer of lmdb."""
