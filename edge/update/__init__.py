"""Updates of what is attached to the node: firmware of microcontrollers.

`table` says which state follows which, `life` decides for one firmware, `matching` which
microcontroller it is for, `reconciler` does what they say, through `ports`.
"""
