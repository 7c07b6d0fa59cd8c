"""A landing store in a bucket of S3. What the objects are called and hold is not decided here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from crime_assets.cloud.aws.errors import AwsError, explained
from crime_assets.core.errors import LandingError
from crime_assets.streams import StoredObject

_CHUNK = 1 << 20
_BREAKS = 3
"""How often the connection may break while one object is read."""


class S3Store:
    """Keys are relative to `prefix` in the bucket. S3 itself writes whole objects or none.

    Keys that end with a slash are not objects: consoles create them for folders.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        """`client` is boto3's s3 client. Several threads may use one store."""
        self._client = client
        self._bucket = bucket
        self._below = f"{prefix.strip('/')}/".lstrip("/")

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key begins with the prefix, in the server's order: for S3 itself, key order."""
        where = self._place(prefix)
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=where["Key"]))
        while True:
            with self._explained("list"):
                page = next(pages, None)
            if page is None:
                return
            for found in page.get("Contents", ()):
                if not found["Key"].endswith("/"):
                    key = found["Key"].removeprefix(self._below)
                    yield StoredObject(key, found["ETag"].strip('"'), found["Size"], found["LastModified"])

    def read(self, key: str) -> bytes | None:
        """An object's content; None if there is none."""
        answer = self._open(key)
        return None if answer is None else b"".join(self._pieces(key, answer))

    def chunks(self, key: str) -> Iterator[bytes]:
        """An object's content, a mebibyte at a time."""
        answer = self._open(key)
        if answer is None:
            raise LandingError(f"The delivery {key} cannot be read (it is not in {self._bucket}): restore it.")
        yield from self._pieces(key, answer)

    def write(self, key: str, content: bytes) -> None:
        """Write a whole object, replacing any existing one."""
        place = self._place(key)
        with self._explained("write to"):
            self._client.put_object(**place, Body=content)

    def write_new(self, key: str, content: bytes) -> bool:
        """Write a whole object unless one exists; returns whether it was written.

        Also False if boto3 wrote it, got no answer and sent it again: the object then has this content.
        """
        place = self._place(key)
        with self._explained("write to"):
            try:
                self._client.put_object(**place, Body=content, IfNoneMatch="*")
            except self._client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] != "PreconditionFailed":
                    raise
                return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        place = self._place(key)
        with self._explained("delete from"):
            self._client.delete_object(**place)

    def location(self, key: str) -> str:
        """The object's URI."""
        return "s3://{Bucket}/{Key}".format(**self._place(key))

    def _open(self, key: str, **conditions: str) -> Any:
        """S3's answer, with the beginning of the content; None if there is no such object."""
        place = self._place(key)
        with self._explained("read from"):
            try:
                return self._client.get_object(**place, **conditions)
            except self._client.exceptions.NoSuchKey:
                return None

    def _pieces(self, key: str, answer: Any) -> Iterator[bytes]:
        """The content. If the connection breaks, reading continues from there, if the object is still the same."""
        done = breaks = 0
        while True:
            try:
                with self._explained("read from"):
                    piece = answer["Body"].read(_CHUNK)
            except AwsError:
                breaks += 1
                again = self._open(key, IfMatch=answer["ETag"], Range=f"bytes={done}-") if breaks <= _BREAKS else None
                if again is None:
                    raise
                answer = again
                continue
            if not piece:
                return
            done += len(piece)
            yield piece

    def _place(self, key: str) -> dict[str, str]:
        if key.startswith("/") or ".." in key.split("/"):
            raise LandingError(f"The key {key!r} leads out of the landing store.")
        return {"Bucket": self._bucket, "Key": f"{self._below}{key}"}

    def _explained(self, action: str) -> AbstractContextManager[None]:
        return explained(f"{action} the bucket {self._bucket}", "CRIME_LANDING")
