"""What is wrong with the etcd of this host, with everything else dead: facts, checks, one named cause, the next command.

Called by the command line. `facts` looks once, `checks/` judge what was seen (one subject per file), `diagnosis` names the cause.
Nothing here changes anything; `repair` plans the few safe repairs of `--fix`, which the command line asks for.
"""

__all__: list[str] = []
