"""A simulated board that obeys the contract of the real ones and is driven from outside."""
