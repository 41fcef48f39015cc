"""Drivers of golden cases."""
