"""Reads, signs and manages webhook endpoints."""
