"""Who may do what on the API, and what they did: identity, roles, limits, audit."""
