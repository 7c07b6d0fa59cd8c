"""A stand-in for the AWS CLI: bash runs a page's commands as they are written, a thread here answers each `aws …`.

Arguments are held against botocore's descriptions of the services, then the call is made, to wherever boto3 is led.
"""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

_SERVICES = {"s3api": "s3"}
_RENAMED = {("sns", "Subscribe", "notification-endpoint"): "Endpoint"}
"""Options that the CLI calls otherwise than the API."""
_OWN_COMMANDS = {("s3", "cp"): "", ("s3", "rm"): "", ("ecr", "get-login-password"): "a-password"}
"""Commands that are no operation of an API, and what they print."""

_PRELUDE = """
set -euo pipefail
aws() {
  exec 3<>"/dev/tcp/127.0.0.1/$STAND_IN"
  printf '%s\\0' "$#" "$@" >&3
  local code; IFS= read -r code <&3
  cat <&3; exec 3>&-
  return "$code"
}
docker() { printf 'docker %s\\n' "$*" >&2; if [ "$1" = login ]; then cat >/dev/null; fi; }
"""
_WITHOUT_GETTEXT = """
envsubst() { "$STAND_IN_PYTHON" -c 'import os, sys; print(os.path.expandvars(sys.stdin.read()))'; }
"""


class Aws:
    """Answers commands; `skipped` are (service, operation) that are looked at only, because nobody here can do them."""

    def __init__(self, skipped: dict[tuple[str, str], Any]) -> None:
        self._skipped = skipped
        self._loader = botocore.session.get_session()
        self.client = cache(boto3.Session(botocore_session=self._loader).client)
        self.called: list[tuple[str, str, dict[str, Any]]] = []
        self.wrong: list[str] = []

    def answer(self, words: Sequence[str]) -> str:
        """What the command prints. What is wrong with it is kept in `wrong` and raised."""
        try:
            return self._answer(list(words))
        except Exception as error:
            self.wrong.append(f"aws {' '.join(words)[:300]}: {type(error).__name__}: {error}")
            raise

    def _answer(self, words: list[str]) -> str:
        if any("${" in word for word in words):
            raise ValueError("a variable is not set")
        if (words[0], words[1]) in _OWN_COMMANDS:
            return _OWN_COMMANDS[words[0], words[1]]
        service = _SERVICES.get(words[0], words[0])
        if words[1] == "wait":
            self._wait(service, words[2], words[3:])
            return ""
        model = self._loader.get_service_model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        operation = model.operation_model(names[words[1]])
        query, parameters = _parameters(service, operation, words[2:])
        # The CLI makes up the tokens that let a call be repeated.
        parameters = {**dict.fromkeys(operation.idempotent_members, "t" * 32), **parameters}
        report = ParamValidator().validate(parameters, operation.input_shape)
        if report.has_errors():
            raise ValueError(report.generate_report())
        self.called.append((service, operation.name, parameters))
        if (service, operation.name) in self._skipped:
            found = self._skipped[service, operation.name]
        else:
            found = getattr(self.client(service), xform_name(operation.name))(**parameters)
        if query is None:
            return ""
        value = jmespath.search(query, found)
        if not isinstance(value, str):
            raise ValueError(f"{query} gives {value}")
        return value

    # A stand-in starts nothing, so that nothing would ever be ready: it is only asked once.
    def _wait(self, service: str, waiter: str, words: list[str]) -> None:
        known = self._loader.get_waiter_model(service)
        (name,) = (name for name in known.waiter_names if xform_name(name, "-") == waiter)
        operation = self._loader.get_service_model(service).operation_model(known.get_waiter(name).operation)
        _, parameters = _parameters(service, operation, words)
        good = [acceptor.expected for acceptor in known.get_waiter(name).acceptors if acceptor.state == "success"]
        try:
            getattr(self.client(service), xform_name(operation.name))(**parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] not in good:
                raise


def run(commands: str, aws: Aws, directory: Path, variables: dict[str, str]) -> str:
    """Run the lines in bash; what they and what they started said. AssertionError where one failed."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            count = int(self._word())
            words = [self._word() for _ in range(count)]
            try:
                self.wfile.write(b"0\n" + aws.answer(words).encode())
            except Exception as error:
                self.wfile.write(f"255\n{error}".encode())

        def _word(self) -> str:
            return b"".join(iter(lambda: self.rfile.read(1), b"\0")).decode()

    prelude = _PRELUDE if shutil.which("envsubst") else _PRELUDE + _WITHOUT_GETTEXT
    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            own = {"STAND_IN": str(server.server_address[1]), "STAND_IN_PYTHON": sys.executable}
            done = subprocess.run(
                ["bash", "-c", prelude + commands],
                cwd=directory,
                env={**os.environ, **variables, **own},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        finally:
            server.shutdown()
            thread.join()
    assert not aws.wrong, "\n".join(aws.wrong)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def _parameters(service: str, operation: OperationModel, words: list[str]) -> tuple[str | None, dict[str, Any]]:
    """The --query, and the parameters of the API that the options say."""
    members: dict[str, Shape] = operation.input_shape.members if operation.input_shape else {}
    options = {xform_name(name, "-"): name for name in members}
    options |= {
        option: name for (of, called, option), name in _RENAMED.items() if (of, called) == (service, operation.name)
    }
    query, parameters = None, {}
    for option, values in _grouped(words):
        if option == "query":
            (query,) = values
        elif option == "output":
            assert values == ["text"], values
        elif option == "cli-input-json":
            parameters |= json.loads(values[0])
        elif option.startswith("no-") and option not in options:
            assert not values, option
            parameters[options[option.removeprefix("no-")]] = False
        else:
            parameters[options[option]] = _value(members[options[option]], values)
    return query, parameters


def _grouped(words: list[str]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            found.append((word[2:], []))
        else:
            found[-1][1].append(word)
    return found


def _value(shape: Shape, values: list[str]) -> Any:
    if shape.type_name == "boolean" and not values:
        return True
    if shape.type_name == "list" and not values[0].startswith(("[", "file://")):
        return values
    (text,) = values
    if text.startswith("file://"):
        text = Path(text.removeprefix("file://")).read_text()
    convert: dict[str, Callable[[str], Any]] = {"string": str, "integer": int, "long": int, "double": float}
    return convert.get(shape.type_name, json.loads)(text)
