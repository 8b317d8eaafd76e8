"""How clients come in.

Public are `broker.run_command` (one command of a user, whoever carries the bytes), `keys.format_authorized_keys` (what
sshd asks for), `embedded.EmbeddedServer` (an SSH server in the process) and the interfaces in `services`. They are
imported from their modules: sshd's key look-up runs for each login and must not load an SSH server.
"""
