"""The routes: one module for each group of addresses. Summaries and docstrings appear in the OpenAPI document."""
