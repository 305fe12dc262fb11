"""Our own code compiled to C and cross-compiled for the board, by Nuitka in module mode."""
