"""HTTP for programs. Read README.md here and docs/http.md."""
