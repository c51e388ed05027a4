"""Calls of AWS APIs through boto3: with the user's own credentials, to named hosts only, and silent about both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .addresses import public
from .errors import FetchError, RefusedError
from .wire import CONNECT_S, READ_S, Internet, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .client import Client

ATTEMPTS = 5
TOKENS = ("NextToken", "nextToken")
INSTALL = "pip install 'autoparallel-planner[aws]'"
LOGIN = "log in as for the AWS command line: environment, ~/.aws, SSO or a role; aws-list needs no account"
NO_CREDENTIALS = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"}
)
NOT_VALID = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "AuthFailure"}
)


class CallError(FetchError):
    """An answer that is an error; `code` is AWS's name for it."""

    code = ""


@dataclass
class Calls:
    """boto3 clients of a source. `endpoint` stands for every service: a server on this machine, in tests."""

    client: Client
    session: Any = None
    endpoint: str = ""
    made: dict[tuple[str, str], Any] = field(default_factory=dict, init=False, repr=False)

    def pages(self, service: str, operation: str, region: str = "us-east-1", **asked: Any) -> Iterator[dict[str, Any]]:
        """Every page of an operation, with a pause between two.

        Raises:
            CallError: it answers an error.
            FetchError: no credentials, no boto3, no way there.
        """
        token: dict[str, str] = {}
        seen = set[str]()
        while True:
            page = self._call(service, operation, region, {**asked, **token})
            yield page
            token = {name: page[name] for name in TOKENS if page.get(name)}
            if not token:
                return
            (value,) = token.values()
            if value in seen:
                raise FetchError("its pages have no end", where=f"aws {service} {operation}", mend="try again later")
            seen.add(value)
            self.client.sleep(self.client.pause_s)

    def _call(self, service: str, operation: str, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        where = f"aws {service} {operation} in {region}"
        try:
            answer: dict[str, Any] = getattr(self._of(service, region), operation)(**asked)
        except FetchError:
            raise
        except Exception as error:  # noqa: BLE001 (of botocore, urllib3 and below; their texts may name keys)
            raise _told(error, where) from None
        self.client.requests += 1
        return answer

    def _of(self, service: str, region: str) -> Any:
        if (service, region) not in self.made:
            made = self._session().client(
                service, region_name=region, config=self._config(), endpoint_url=self.endpoint or None
            )
            made.meta.events.register("before-send.*", self._look)
            self.made[service, region] = made
        return self.made[service, region]

    def _session(self) -> Any:
        if self.session is None:
            try:
                import boto3
            except ImportError:
                raise FetchError("boto3 is not installed", where="aws", mend=INSTALL) from None
            self.session = boto3.Session()
        return self.session

    def _config(self) -> Any:
        from botocore.config import Config

        wire = self.client.wire
        return Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            proxies={"https": wire.url} if isinstance(wire, Proxy) else {},
            ignore_configured_endpoint_urls=True,
            user_agent_appid="autoparallel-planner",
        )

    def _look(self, request: Any, **_: object) -> None:
        """Before anything is sent: the host is one of the source's, at a public address."""
        if self.endpoint:
            if not request.url.startswith(self.endpoint):
                raise RefusedError("another host than the one given", where="aws", mend="report this")
            return
        at = self.client.target(request.url)
        if isinstance(self.client.wire, Internet):
            public(at.host)


def _told(error: Exception, where: str) -> FetchError:
    """An error of botocore in our words: its kind or code, and nothing of its text."""
    kind = type(error).__name__
    if kind in NO_CREDENTIALS or kind.endswith(("TokenError", "TokenLoadError", "TokenExpiredError")):
        return FetchError("no credentials", where=where, mend=LOGIN)
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return FetchError(f"it cannot be asked ({kind})", where=where, mend="look at the network, and try again")
    code = str(response.get("Error", {}).get("Code", "an error"))
    code = code if code.replace(".", "").isalnum() else "an error"
    made = CallError(f"it answers {code}", where=where, mend=LOGIN if code in NOT_VALID else _may(code))
    made.code = code
    return made


def _may(code: str) -> str:
    denied = "Denied" in code or "Unauthorized" in code
    return "let the credentials do this, it only reads" if denied else "try again later"
