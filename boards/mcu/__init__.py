"""Putting a first firmware on a microcontroller: its USB drive, and how it is made to show one."""
