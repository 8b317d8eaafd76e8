"""Encryption at the client: to public keys while a backup is packed, and with a private key while it is restored."""
