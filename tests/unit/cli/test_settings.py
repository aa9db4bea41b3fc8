"""Connection settings: who wins, what etcdctl's spelling means, and durations."""

from __future__ import annotations

import pytest

from backstay.cli.settings import ConnectionSettings, duration_seconds, resolve
from backstay.errors import BackstayError


def test_nothing_said_is_nothing_known() -> None:
    assert resolve({}, {"ETCDCTL_API": "3", "ETCDCTL_CACERT": ""}) == ConnectionSettings()


def test_flag_before_own_variable_before_etcdctl_variable() -> None:
    flags = {"cacert": ("flag.crt",)}
    environment = {
        "BACKSTAY_CACERT": "own.crt", "ETCDCTL_CACERT": "etcd.crt",
        "BACKSTAY_CERT": "own.pem", "ETCDCTL_CERT": "etcd.pem",
        "ETCDCTL_KEY": "etcd.key",
    }  # fmt: skip
    settings = resolve(flags, environment)
    assert (settings.cacert, settings.cert, settings.key) == ("flag.crt", "own.pem", "etcd.key")
    assert dict(settings.origins) == {"cacert": "--cacert", "cert": "BACKSTAY_CERT", "key": "ETCDCTL_KEY"}


def test_an_empty_flag_takes_a_variable_back() -> None:
    settings = resolve({"cacert": ("",)}, {"ETCDCTL_CACERT": "etcd.crt"})
    assert settings.cacert is None
    assert settings.origin("cacert") == ""


def test_endpoints_add_up() -> None:
    settings = resolve({"endpoints": ("a:1, b:2", "c:3,")}, {"ETCDCTL_ENDPOINTS": "d:4"})
    assert settings.endpoints == ("a:1", "b:2", "c:3")


@pytest.mark.parametrize(
    ("flags", "environment", "expected"),
    [
        ({"user": ("root:pw",)}, {}, ("root", "pw")),
        ({"user": ("root:p:w",)}, {}, ("root", "p:w")),
        ({"user": ("root",)}, {}, ("root", None)),
        ({"user": ("root:",)}, {}, ("root", "")),
        ({"user": ("a:b",), "password": ("pw",)}, {}, ("a:b", "pw")),
        ({"user": ("root",)}, {"ETCDCTL_PASSWORD": "pw"}, ("root", "pw")),
        ({"user": ("root:pw",)}, {"ETCDCTL_PASSWORD": "other"}, ("root", "pw")),
        ({}, {"ETCDCTL_USER": "root:pw"}, ("root", "pw")),
        ({"password": ("pw",)}, {"ETCDCTL_USER": "root"}, ("root", "pw")),
    ],
)
def test_user_and_password(
    flags: dict[str, tuple[str, ...]], environment: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    settings = resolve(flags, environment)
    assert (settings.user, settings.password) == expected
    assert settings.needs_password is (expected[0] is not None and expected[1] is None)


def test_secrets_are_not_in_the_representation() -> None:
    settings = resolve({"user": ("root:hunter2",), "auth_jwt_token": ("sesame",)}, {})
    assert "hunter2" not in repr(settings)
    assert "sesame" not in repr(settings)


def test_truth_and_durations_from_variables() -> None:
    environment = {"ETCDCTL_INSECURE_TRANSPORT": "F", "ETCDCTL_DIAL_TIMEOUT": "1m30s"}
    settings = resolve({"insecure_skip_tls_verify": ("true",)}, environment)
    assert settings.insecure_skip_tls_verify is True
    assert settings.insecure_transport is False
    assert settings.dial_timeout_seconds == 90
    assert settings.origin("dial_timeout_seconds") == "ETCDCTL_DIAL_TIMEOUT"


@pytest.mark.parametrize(
    ("variable", "value"), [("ETCDCTL_DIAL_TIMEOUT", "5"), ("BACKSTAY_INSECURE_TRANSPORT", "maybe")]
)
def test_a_variable_that_cannot_be_read_names_itself(variable: str, value: str) -> None:
    with pytest.raises(BackstayError, match=variable) as caught:
        resolve({}, {variable: value})
    assert caught.value.kind.code == "usage"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("1m30s", 90), ("500ms", 0.5), ("2h45m", 9900), ("1.5h", 5400), (".5s", 0.5), ("0", 0), ("10us", 1e-5),
     ("10µs", 1e-5), ("3ns", 3e-9), ("+1s", 1)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "not a duration"), ("5", "no unit"), ("1m30", "no unit"), ("-5s", "negative"), ("5 s", "not a duration"),
     ("s", "not a duration"), ("5d", "not a duration")],
)  # fmt: skip
def test_what_is_no_duration(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        duration_seconds(text)
