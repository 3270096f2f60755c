"""Receives results from AloVoice: endpoint -> intake -> Redis, or the spool on disk while Redis is away."""
