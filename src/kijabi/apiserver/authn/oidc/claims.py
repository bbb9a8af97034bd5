"""What a verified token's claims say about its user: plain claims with prefixes, or CEL expressions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kijabi.api import cel
from kijabi.api.cel import declarations, syntax, types
from kijabi.api.cel.environment import parts
from kijabi.api.cel.types import STRING, Type
from kijabi.apiserver import contract
from kijabi.apiserver.authn import bearer, names

_USER = types.struct("kubernetes.UserInfo")
_TEXTS = types.list_of(STRING)
_USER_FIELDS = {"username": STRING, "uid": STRING, "groups": _TEXTS, "extra": types.map_of(STRING, _TEXTS)}


class _Structs:
    def known(self, name: str) -> bool:
        return name == _USER.name

    def field(self, name: str, key: str) -> Type | None:
        return _USER_FIELDS.get(key) if name == _USER.name else None


OF_CLAIMS = cel.Environment({"claims": types.map_of(STRING, types.DYN)})
OF_USER = cel.Environment({"user": _USER}, _Structs())


@dataclass(frozen=True, slots=True)
class Source:
    """Where a part of the user comes from: a claim with a prefix, or an expression. Neither: it has no such part."""

    claim: str = ""
    prefix: str = ""
    program: cel.Program | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """An expression that must be true, and what is said where it is not."""

    program: cel.Program
    message: str = ""


@dataclass(frozen=True, slots=True)
class Mapper:
    username: Source
    groups: Source = Source()
    uid: Source = Source()
    extra: Sequence[tuple[str, cel.Program]] = ()
    required: Mapping[str, str] | None = None
    claim_rules: Sequence[Rule] = ()
    user_rules: Sequence[Rule] = ()

    def user(self, said: Mapping[str, Any]) -> contract.UserInfo:
        """Raises bearer.Rejected."""
        seen = {"claims": seen_by_cel(said)}
        user = contract.UserInfo(
            self._username(said, seen), groups=self._groups(said, seen), uid=self._uid(said, seen), extra={}
        )
        user = contract.UserInfo(user.name, user.uid, user.groups, self._extra(said, seen))
        for claim, wanted in (self.required or {}).items():
            _require(said, claim, wanted)
        _check(self.claim_rules, seen, "error evaluating claim validation expression")
        if self.user_rules:
            shown = {
                "username": user.name,
                "uid": user.uid,
                "groups": list(user.groups),
                "extra": {key: list(values) for key, values in user.extra.items()},
            }
            _check(self.user_rules, {"user": _unescaping(shown)}, "error evaluating user info validation rule")
        return user

    def _username(self, said: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
        source, where = self.username, "oidc: error evaluating username claim expression"
        if source.program is not None:
            value = _evaluate(source.program, seen, where)
            if not isinstance(value, str):
                raise bearer.Rejected(f"{where}: username claim expression must return a string")
            if not value:
                raise bearer.Rejected("oidc: empty username via CEL expression is not allowed")
            return value
        name = _text(said, source.claim, f'oidc: parse username claims "{source.claim}"')
        if source.claim == "email" and "email_verified" in said:
            verified = said["email_verified"]
            if not isinstance(verified, bool):
                raise bearer.Rejected(
                    f"oidc: parse 'email_verified' claim: json: cannot unmarshal {_kind(verified)} into Go value of "
                    "type bool"
                )
            if not verified:
                raise bearer.Rejected("oidc: email not verified")
        return source.prefix + name

    def _groups(self, said: Mapping[str, Any], seen: Mapping[str, Any]) -> tuple[str, ...]:
        source = self.groups
        if source.program is not None:
            where = "oidc: error evaluating group claim expression"
            return _texts(_evaluate(source.program, seen, where), where)
        if not source.claim or said.get(source.claim) is None:
            return ()
        value = said[source.claim]
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            wrong = f"json: cannot unmarshal {_kind(value)} into Go value of type string"
            raise bearer.Rejected(f'oidc: parse groups claim "{source.claim}": {wrong}')
        return tuple(source.prefix + one for one in listed)

    def _uid(self, said: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
        source, where = self.uid, "oidc: error evaluating uid claim expression"
        if source.program is not None:
            value = _evaluate(source.program, seen, where)
            if not isinstance(value, str):
                raise bearer.Rejected(f"{where}: uid claim expression must return a string")
            return value
        return _text(said, source.claim, f'oidc: parse uid claim "{source.claim}"') if source.claim else ""

    def _extra(self, said: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        identity = said.get("jti")
        if isinstance(identity, str) and identity:
            found[names.CREDENTIAL_ID] = (f"JTI={identity}",)
        for key, program in self.extra:
            where = f"oidc: error evaluating extra claim expression: {program.source}"
            values = _texts(_evaluate(program, seen, ""), where)
            if values:
                found[key] = values
        return found


def _require(said: Mapping[str, Any], claim: str, wanted: str) -> None:
    if claim not in said:
        raise bearer.Rejected(f"oidc: required claim {claim} not present in ID token")
    value = _text(said, claim, f"oidc: parse claim {claim}")
    if value != wanted:
        raise bearer.Rejected(f"oidc: required claim {claim} value does not match. Got = {value}, want = {wanted}")


def _text(said: Mapping[str, Any], claim: str, where: str) -> str:
    if claim not in said:
        raise bearer.Rejected(f"{where}: claim not present")
    value = said[claim]
    if value is None:
        # What Go makes of a JSON null.
        return ""
    if not isinstance(value, str):
        raise bearer.Rejected(f"{where}: json: cannot unmarshal {_kind(value)} into Go value of type string")
    return value


def _kind(value: Any) -> str:
    kinds = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "object")


def _evaluate(program: cel.Program, seen: Mapping[str, Any], where: str) -> Any:
    outcome = program.evaluate(seen)
    if outcome.failure is not None:
        text = f"expression '{program.source}' resulted in error: {outcome.failure}"
        raise bearer.Rejected(f"{where}: {text}" if where else text)
    return outcome.value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    """A text or a list of texts; what is empty counts as absent."""
    listed = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise bearer.Rejected(f"{where}: expression must return a string or a list of strings")
    return tuple(one for one in listed if one)


def _check(rules: Sequence[Rule], seen: Mapping[str, Any], where: str) -> None:
    for rule in rules:
        value = _evaluate(rule.program, seen, f"oidc: {where}")
        if value is not True:
            raise bearer.Rejected(
                f"oidc: {where}: validation expression '{rule.program.source}' failed: {rule.message}"
            )


# --- values as CEL sees them


class _Unescaping(dict[str, Any]):
    """A JSON object whose keys may be written as identifiers too: ``a__dot__b`` is the key ``a.b``."""

    def __missing__(self, key: Any) -> Any:
        for own in self:
            if isinstance(own, str) and own != key and declarations.escape(own) == key:
                return self[own]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        if dict.__contains__(self, key):
            return True
        if not isinstance(key, str) or "__" not in key:
            return False
        return any(declarations.escape(own) == key for own in self)


def _unescaping(value: Any) -> Any:
    """Numbers of JSON are doubles to CEL, as they are to Go."""
    if isinstance(value, dict):
        return _Unescaping((key, _unescaping(one)) for key, one in value.items())
    if isinstance(value, list):
        return [_unescaping(one) for one in value]
    return float(value) if type(value) is int else value


def seen_by_cel(said: Mapping[str, Any]) -> Any:
    return _unescaping(dict(said))


def uses(node: syntax.Node, variable: str, field: str) -> bool:
    """Whether an expression selects ``variable.field`` anywhere."""
    if isinstance(node, syntax.Select) and node.field == field:
        holder = node.operand
        if isinstance(holder, syntax.Ident) and holder.name == variable:
            return True
    return any(uses(part, variable, field) for part in parts(node))
