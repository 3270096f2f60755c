"""The OpenAPI and AsyncAPI documents. They are made on request for people and tools; no call passes through here."""
