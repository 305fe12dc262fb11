"""The service: API, hub, controllers, registry, telemetry; one process, one SQLite file."""
