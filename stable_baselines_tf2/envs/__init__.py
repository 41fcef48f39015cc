"""Spaces, ids and interfaces of environments."""
