// None by hand: the build collects them.
