"""The kinds of the API. A kind is a module: Structs for spec and status, columns, a `Kind`."""
