"""AloVoice's service, simulated over HTTP, to try alodial and to test it. See README.md here and docs/sandbox.md."""
