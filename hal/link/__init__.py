"""Attached microcontrollers, from the node's side. The only place of ours that imports `firmware`."""
