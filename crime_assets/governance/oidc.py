"""Logging in with an account of an OpenID provider, by authlib: who was it that the provider saw?"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.governance.policy import Login

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_LOG = logging.getLogger(__name__)
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signatures that only who has the provider's private key can make."""
_TRY_AGAIN = "The login has failed: try again."


class Provider:
    """The OpenID provider of a policy. UsageError if what it takes is not installed."""

    def __init__(self, login: Login, secret: str) -> None:
        """`secret` is ours with the provider; empty for a public client, which proves itself by PKCE alone."""
        try:
            from authlib.integrations.starlette_client import OAuth
        except ImportError as error:
            raise UsageError(
                'Logins need more packages: install them with pip install "crime-assets[login]".'
            ) from error
        self._login = login
        self._client: Any = OAuth().register(
            "provider",
            client_id=login.client,
            client_secret=secret or None,
            server_metadata_url=f"{login.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid",
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
            },
        )

    async def begin(self, request: Request, back: str) -> Response:
        """Send a browser to the provider, which sends it `back`. CrimeAssetsError if the provider does not answer."""
        try:
            await self._metadata()
            response: Response = await self._client.authorize_redirect(request, back)
        except Exception as error:
            # Whatever the network, or an answer that is none of a provider's: authlib has no error of its own for them.
            _LOG.warning("The login's provider could not be asked (%s: %s).", type(error).__name__, error)
            raise CrimeAssetsError("The login's provider does not answer: try again later.") from error
        return response

    async def subject(self, request: Request) -> str:
        """Who came back. UsageError unless the provider vouches for it, as the policy demands."""
        issuer, client = self._login.issuer, self._login.client
        expected = {
            "iss": {"essential": True, "values": [issuer, f"{issuer.rstrip('/')}/"]},
            "aud": {"essential": True, "value": client},
            "sub": {"essential": True},
        }
        try:
            await self._metadata()
            told = await self._client.authorize_access_token(request, claims_options=expected)
            # Whatever else the provider says of a person is not signed for us.
            claims: Any = told["userinfo"] if told.get("id_token") else {}
            subject, methods = claims["sub"], claims.get("amr") or []
        except Exception as error:
            # Whatever a browser or the provider sent: its text may be anything.
            _LOG.warning("A login has failed (%s).", type(error).__name__)
            raise UsageError(_TRY_AGAIN) from error
        if not isinstance(subject, str) or not subject:
            raise UsageError(_TRY_AGAIN)
        wanted = {*self._login.methods}
        if wanted and not (isinstance(methods, list) and wanted & {str(method) for method in methods}):
            raise UsageError(f"The login must use one of {', '.join(sorted(wanted))}: log in at the provider with it.")
        return subject

    async def _metadata(self) -> None:
        """Learn where the provider is, and take none but signatures with its private key."""
        told = await self._client.load_server_metadata()
        said = told.get("id_token_signing_alg_values_supported") or ["RS256"]
        told["id_token_signing_alg_values_supported"] = sorted(_ALGORITHMS & {*said})
