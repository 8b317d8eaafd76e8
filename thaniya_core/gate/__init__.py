"""How clients come in.

Public are `broker.run_command` (one command of a user, whoever carries the bytes), `keys` (what sshd asks
for, a program of its own), `embedded.EmbeddedServer` (an SSH server in the process) and the interfaces in `services`.
They are imported from their modules: what needs no SSH server must not load one.
"""
