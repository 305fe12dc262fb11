"""The asyncio shell around the wire: connects, pumps, reconnects."""
