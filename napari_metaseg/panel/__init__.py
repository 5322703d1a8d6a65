"""The panel's widgets: each shows one side of a job and sends it commands."""
