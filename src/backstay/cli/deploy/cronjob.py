"""`backstay deploy cronjob`: the agent of one cluster as a CronJob on its control plane."""

from __future__ import annotations

from pathlib import Path

import click

from backstay.cli.config.chosen import config_option
from backstay.cli.deploy.chosen import chosen_deployment, deliver, directory_option
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options
from backstay.cli.render.show import show
from backstay.deploy.deployment import Deployment
from backstay.deploy.kubernetes import SYSTEM, ClusterWish, KubernetesObject, cronjob_objects

IMAGE = "backstay:latest"


@own_command(
    examples="""
    backstay deploy cronjob payments-fra --image registry.example/backstay:0.1.0
    backstay deploy cronjob payments-fra --node control-plane-1 --to manifests/
    backstay deploy cronjob payments-fra --namespace backstay --metrics-dir /var/lib/node_exporter -o json
    """
)
@config_option
@output_options
@click.option(
    "--image", default=IMAGE, show_default=True, metavar="REF", help="As `make image` made it, from your registry."
)
@click.option(
    "--namespace", default=SYSTEM, show_default=True, metavar="NAME", help="Another one is made, as `privileged`."
)
@click.option("--node", default="", metavar="NAME", help="The one node to run on; its state serves every run.")
@click.option("--schedule", default="", metavar="CRON", help="Instead of the one that the tier asks for.")
@click.option("--state-dir", default="", metavar="DIR", help="What a node remembers between runs, on the node.")
@click.option("--metrics-dir", default="", metavar="DIR", help="Where node_exporter reads text files, on the node.")
@click.option(
    "--secret", default="", metavar="NAME", help="With the variables that copies need; NAME of the job if any do."
)
@click.option(
    "--signing-key-secret", default="", metavar="NAME", help="Holds signing.key, if the state directory does not."
)
@click.option("--pull-secret", default="", metavar="NAME", help="What pulls the image.")
@click.option("--memory", default="1Gi", show_default=True, metavar="SIZE", help="The limit.")
@click.option(
    "--scratch-size", default="16Gi", show_default=True, metavar="SIZE", help="Room for one snapshot of etcd."
)
@directory_option
@click.argument("cluster", required=False, default="", metavar="[CLUSTER]")
def command(
    *,
    cluster: str,
    config: str,
    image: str,
    namespace: str,
    node: str,
    schedule: str,
    state_dir: str,
    metrics_dir: str,
    secret: str,
    signing_key_secret: str,
    pull_secret: str,
    memory: str,
    scratch_size: str,
    directory: Path | None,
    output: Format,
) -> None:
    """Print what makes a cluster back itself up: ServiceAccount, ConfigMap and CronJob, for `kubectl apply -f -`.

    CLUSTER is one of backstay.toml, which goes into the ConfigMap whole. The pod runs where etcd does, reads its certificates
    from the host, and keeps its state there; directories of copies are the host's too. No Secret is written: the first lines
    say which one must be there. Nothing is applied.
    """
    deployment = chosen_deployment(config, cluster, state=state_dir, metrics=metrics_dir)
    wish = ClusterWish(
        image,
        namespace,
        node,
        schedule,
        secret or (deployment.name if deployment.variables else ""),
        signing_key_secret,
        pull_secret,
        scratch_size,
        memory,
    )
    objects = cronjob_objects(deployment, wish)
    if output is Format.JSON:
        show({"apiVersion": "v1", "kind": "List", "items": objects}, output, str)
        return
    documents = {f"{each['kind'].lower()}.yaml": manifest_text(each) for each in objects}
    heading = _heading(deployment, wish)
    if directory is None:
        click.echo(f"{heading}---\n{deliver(documents, None, chr(10) + '---' + chr(10))}")
        return
    documents["cronjob.yaml"] = heading + documents["cronjob.yaml"]
    click.echo(deliver(documents, directory, ""))


def manifest_text(each: KubernetesObject) -> str:
    """An object as YAML that people review: texts of several lines stand as they are."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Ours alone, so that nobody else's YAML changes."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return yaml.dump(each, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)


def _heading(deployment: Deployment, wish: ClusterWish) -> str:
    """What must be there before, as comments."""
    where = f"-n {wish.namespace}"
    lines = [
        f"Written by `backstay deploy cronjob`: {deployment.cluster}, looked at every {_minutes(deployment.minutes)}."
    ]
    if wish.secret:
        literal = " ".join(f"--from-literal={name}=..." for name in deployment.variables)
        lines += [
            "First, with the keys of your storage (others than these: docs/guide/storages.md):",
            f"  kubectl create secret generic {wish.secret} {where} {literal}",
        ]
    if wish.signing_key_secret:
        lines.append(f"  kubectl create secret generic {wish.signing_key_secret} {where} --from-file=signing.key")
    else:
        lines += [
            f"Each repository must trust the key of the node: run `backstay init REPO --state-dir {deployment.state}` there, or",
            "`backstay admit`; or give one key to every node with --signing-key-secret.",
        ]
    if "sftp" in deployment.credentials:
        lines.append(
            "The image of `make image` has no SFTP: add backstay's extra `sftp` to it, or let systemd run this."
        )
    if not wish.node:
        lines.append("With several control-plane nodes say --node: on another node the first backup is a base again.")
    lines.append(f"Try it at once:  kubectl create job {where} --from=cronjob/{deployment.name} {deployment.name}-now")
    return "".join(f"# {line}\n" for line in lines)


def _minutes(minutes: int) -> str:
    return "minute" if minutes == 1 else f"{minutes} minutes"
