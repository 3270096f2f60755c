"""The wire of AloVoice, both ways and without I/O: `request` is what we send, `result` what comes back."""
