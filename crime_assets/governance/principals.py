"""Who asks, as far as it was proven, and which principal of the policy that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from crime_assets.governance.policy import Policy, Principal
from crime_assets.governance.tokens import Tokens


@dataclass(frozen=True)
class Who:
    """`how` is peer, token, program or oidc: `name` is then the account of this machine, the digest of a token by which
    somebody logs in, that of one by which a program asks, or the subject at the login's issuer.

    `source` says where from: a process, or an address. `session` is the name of a login, if there is one.
    """

    how: str
    name: str
    source: str
    session: str = ""

    def principal(self, policy: Policy, tokens: Tokens, today: date) -> Principal:
        """The principal by the policy and the tokens as they are now; UsageError if it is none."""
        match self.how:
            case "peer":
                return policy.of_os_user(self.name, today)
            case "token" | "program":
                return policy.principal(tokens.of_digest(self.name, today).principal, today)
            case _:
                return policy.of_subject(self.name, today)

    @property
    def told(self) -> Mapping[str, Any]:
        """As fields of a line of the trail. A token's digest is shortened: it need only tell two apart."""
        name = self.name[:16] if self.how in {"token", "program"} else self.name
        return {"how": self.how, "account": name, "source": self.source, "session": self.session}
