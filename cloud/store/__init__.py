"""Objects as a revision log in SQL, and the one writer that commits them."""
