"""The agent: keeps a node what the cloud wants it to be, connected or not."""
