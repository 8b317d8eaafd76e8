"""Brings back what was backed up."""
