"""Studies of what fitted networks know; each writes a picture and the numbers behind it."""
