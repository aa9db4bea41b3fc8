"""`backstay completion`: print the script that teaches a shell to complete backstay's commands and options.

The script calls backstay back with `_BACKSTAY_COMPLETE` set; `main.run` answers that from the table of commands.
"""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from backstay.cli.groups import own_command
from backstay.cli.main import COMPLETION_VARIABLE, NAME

SHELLS = ("bash", "zsh", "fish")


@own_command(
    examples="""
    # for this session
    source <(backstay completion bash)
    # for all sessions
    backstay completion bash > /etc/bash_completion.d/backstay
    backstay completion zsh > "${fpath[1]}/_backstay"
    backstay completion fish > ~/.config/fish/completions/backstay.fish
    """
)
@click.argument("shell", type=click.Choice(SHELLS), metavar="bash|zsh|fish")
def command(*, shell: str) -> None:
    """Print the script that makes a shell complete backstay's commands and options.

    Load the script with the shell's own means, as in the examples.
    """
    completion_class = get_completion_class(shell)
    assert completion_class is not None  # SHELLS are the ones that click has
    # Not the class's own `source`: for bash that starts a bash only to see how old it is.
    root = click.Command(NAME)
    click.echo(ShellComplete.source(completion_class(root, {}, NAME, COMPLETION_VARIABLE)))
