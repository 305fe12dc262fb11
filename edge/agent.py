"""The agent's composition root: the one place that knows every concrete part."""
