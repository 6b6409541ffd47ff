"""Tokens with names and roles: who may ask for what."""

import math
from datetime import UTC, datetime

from gateway.access.caller import TOKEN_OPERATORS, Role
from gateway.access.lan_token import cost_of
from gateway.access.tokens import NewToken, TokenRefused, Tokens, TokenUnknown
from gateway.access.uses import Use
from gateway.errors import BadRequest, ConfigurationError
from gateway.i18n.text import Text
from gateway.server.api.endpoint import BASE, Call, Endpoint, Section, language_of
from gateway.server.api.parameters import NoParams
from gateway.server.api.requests import NoBody
from gateway.server.api.responses import Done
from gateway.server.api.token_models import (
    OldToken,
    TokenDetails,
    TokenList,
    TokenParams,
    TokenRequest,
    TokenRevocation,
    TokenRotation,
    TokenSecret,
    TokenUse,
)

_TOKEN = f"{BASE}/tokens/{{name}}"


async def list_tokens(call: Call[NoParams, NoBody]) -> TokenList:
    """Return the tokens, without the tokens themselves."""
    tokens = call.services.tokens
    names = sorted({token.name for token in tokens.all()})
    return TokenList(tokens=[_details(tokens, name) for name in names])


async def get_token(call: Call[TokenParams, NoBody]) -> TokenDetails:
    """Return what is known of one token."""
    return _details(call.services.tokens, call.params.name)


async def add_token(call: Call[NoParams, TokenRequest]) -> TokenSecret:
    """Make a token."""
    body, tokens = call.body, call.services.tokens
    role, ends = Role(body.role), math.inf if body.ends is None else body.ends.timestamp()
    tses = tuple(beginning.upper() for beginning in body.tses)
    digits = tokens.digits_for(role) if body.digits is None else _checked(body.digits)
    made = await tokens.add(NewToken(body.name, role, tses, body.client_ids, ends), digits)
    return TokenSecret(name=body.name, token=made, warning=cost_of(made, tokens.guess_rate, language_of(call.request)))


async def rotate_token(call: Call[TokenParams, TokenRotation]) -> TokenSecret:
    """Replace a token."""
    body, tokens, name = call.body, call.services.tokens, call.params.name
    role = tokens.named(name)[0].role
    digits = tokens.digits_for(role) if body.digits is None else _checked(body.digits)
    made = await tokens.rotate(name, body.overlap_seconds, digits)
    return TokenSecret(name=name, token=made, warning=cost_of(made, tokens.guess_rate, language_of(call.request)))


async def revoke_token(call: Call[TokenParams, TokenRevocation]) -> Done:
    """End a token."""
    await call.services.tokens.revoke(call.params.name, old_only=call.body.old_only)
    return Done()


def _checked(digits: int) -> int:
    if 0 < digits < 6:
        raise BadRequest(Text("digits: 0, or 6 and more", "digits: 0, oder 6 und mehr"))
    return digits


def _details(tokens: Tokens, name: str) -> TokenDetails:
    present, *older = tokens.named(name)
    return TokenDetails(
        name=name,
        role=present.role.value,
        place=present.place,
        tses=list(present.tses),
        client_ids=list(present.clients),
        made=_moment(present.made),
        ends=_moment(present.ends),
        last_use=_use(tokens.uses.last(name, old=present.old)),
        old=[OldToken(ends=_moment(token.ends)) for token in older],
        old_last_use=_use(tokens.uses.last(name, old=True)) if older else None,
        laggards=[found for use in tokens.uses.laggards(name) if (found := _use(use))] if older else [],
    )


def _moment(moment: float | None) -> datetime | None:
    return None if moment is None or moment == math.inf else datetime.fromtimestamp(int(moment), UTC)


def _use(use: Use | None) -> TokenUse | None:
    if use is None:
        return None
    return TokenUse(at=datetime.fromtimestamp(int(use.at), UTC), address=use.address, client_id=use.client_id)


SECTION = Section(
    "Tokens",
    "Names, roles and ends of the tokens. Only operators with a token of their own, and the user of the gateway on its "
    "machine, see and change them.",
    (
        Endpoint(
            "GET",
            f"{BASE}/tokens",
            TOKEN_OPERATORS,
            list_tokens,
            "List the tokens",
            "With their last uses, and who still uses one that was replaced. The tokens themselves are not shown.",
        ),
        Endpoint(
            "POST",
            f"{BASE}/tokens",
            TOKEN_OPERATORS,
            add_token,
            "Make a token",
            "The response shows it this once.",
            (TokenRefused, ConfigurationError),
        ),
        Endpoint(
            "GET",
            _TOKEN,
            TOKEN_OPERATORS,
            get_token,
            "Get one token",
            "As in the list.",
            (TokenUnknown,),
        ),
        Endpoint(
            "POST",
            f"{_TOKEN}/rotate",
            TOKEN_OPERATORS,
            rotate_token,
            "Replace a token",
            "The one before counts until the overlap is over, so that tills can be changed one by one.",
            (TokenUnknown, TokenRefused, ConfigurationError),
        ),
        Endpoint(
            "POST",
            f"{_TOKEN}/revoke",
            TOKEN_OPERATORS,
            revoke_token,
            "End a token",
            "At once; connections that have shown it are refused with their next request.",
            (TokenUnknown, TokenRefused, ConfigurationError),
        ),
    ),
)
