"""The SSH side of the connector to a Thaniya server. paramiko is known here only."""
