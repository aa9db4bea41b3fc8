"""`ctl alarm`, `downgrade` and `version`."""

from __future__ import annotations

import backstay
from backstay.cli.ctl.door import Ctl, say
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command
from backstay.cli.options import EtcdFormat
from backstay.cli.render.etcdctl.cluster import alarms_answer, downgrade_answer
from backstay.etcd import methods
from backstay.etcd.pb import rpc_pb2 as rpc

SPOKEN_RELEASE, API_VERSION = "3.7.3", "3.7"
"""The release of etcdctl whose commands and outputs these are."""

_FORMS = (EtcdFormat.SIMPLE, EtcdFormat.JSON, EtcdFormat.PROTOBUF, EtcdFormat.YAML)


@ctl_command(examples="backstay ctl alarm list")
@arguments("")
def list_alarms(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """List the alarms that are raised, with the members they are about."""
    if words:
        bad_arguments("alarm list command accepts no arguments")
    with ctl.client() as client:
        response = client.exchange(methods.ALARM, rpc.AlarmRequest(action=rpc.AlarmRequest.GET))
    ctl.show(alarms_answer(response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl alarm disarm")
@arguments("")
def disarm(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Clear all alarms, and print them."""
    if words:
        bad_arguments("alarm disarm command accepts no arguments")
    cleared = rpc.AlarmResponse()
    ctl.require(EtcdFormat.SIMPLE, EtcdFormat.JSON, EtcdFormat.FIELDS, EtcdFormat.PROTOBUF, EtcdFormat.YAML)
    with ctl.client() as client:
        raised = client.exchange(methods.ALARM, rpc.AlarmRequest(action=rpc.AlarmRequest.GET)).alarms
        if ctl.dry_run:
            ctl.plan(f"clear {len(raised)} alarms")
            return
        for alarm in raised:
            request = rpc.AlarmRequest(action=rpc.AlarmRequest.DEACTIVATE, memberID=alarm.memberID, alarm=alarm.alarm)
            cleared.alarms.extend(client.exchange(methods.ALARM, request).alarms)
    ctl.show(alarms_answer(cleared, is_hex=ctl.is_hex))


@ctl_command(examples="backstay ctl downgrade validate 3.6")
@arguments("VERSION")
def validate_downgrade(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Say whether the cluster could be downgraded to VERSION, the release before its own."""
    _downgrade(ctl, rpc.DowngradeRequest.VALIDATE, "validate", _version(words))


@ctl_command(changes=True, examples="backstay ctl downgrade enable 3.6 --dry-run")
@arguments("VERSION")
def enable_downgrade(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Prepare the cluster for the downgrade to VERSION."""
    _downgrade(ctl, rpc.DowngradeRequest.ENABLE, "enable", _version(words))


@ctl_command(changes=True, examples="backstay ctl downgrade cancel")
@arguments("")
def cancel_downgrade(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Give up a downgrade that was enabled."""
    _downgrade(ctl, rpc.DowngradeRequest.CANCEL, "cancel", "")


@ctl_command(examples="backstay ctl version")
@arguments("")
def version(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Print the release of etcdctl that these commands are like, the API's version, and backstay's."""
    say(f"etcdctl version: {SPOKEN_RELEASE}\nAPI version: {API_VERSION}\nbackstay version: {backstay.__version__}")


def _version(words: tuple[str, ...]) -> str:
    if not words:
        bad_arguments("TARGET_VERSION not provided")
    if len(words) > 1:
        bad_arguments("too many arguments")
    if not words[0]:
        bad_arguments("target version not provided")
    return words[0]


def _downgrade(ctl: Ctl, action: rpc.DowngradeRequest.DowngradeAction, did: str, version: str) -> None:
    request = rpc.DowngradeRequest(action=action, version=version)
    with ctl.client() as client:
        response = ctl.change(
            client, methods.DOWNGRADE, request, f"{did} the downgrade {version}".strip(), forms=_FORMS
        )
    if response is not None:
        ctl.show(downgrade_answer(did, response))
