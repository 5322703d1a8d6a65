"""Functions of position: the families of coordinate networks and their parts."""
