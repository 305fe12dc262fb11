"""What runs at a person's desk: the HTTP client and the verbs built on it."""
