"""The agent as a Debian package, for boards that run a Linux of their own."""
