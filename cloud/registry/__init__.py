"""The artifact registry: OCI distribution over content-addressed blobs."""
