"""Manages results that could not be used."""
