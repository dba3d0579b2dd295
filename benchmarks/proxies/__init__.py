"""The gateway beside what else could stand in front of an upstream, in one run: see ``__main__``."""
