"""From text to nodes: the lexer, the grammar's nine levels, and the macros.

Source: the CEL specification's "Syntax" and "Macros". The messages follow upstream's generated parser as far as a
person who mistyped something can see: where it stumbled, over what, and what it expected there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kijabi.api.cel import syntax, values
from kijabi.api.cel.syntax import Call, Fold, Ident, ListLiteral, Literal, MapLiteral, Node, Select, StructLiteral

_TOKEN = re.compile(
    r"""(?P<space>[\t \r\n\f]+|//[^\n]*)
    |(?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<uint>(?:0x[0-9a-fA-F]+|\d+)[uU])
    |(?P<int>0x[0-9a-fA-F]+|\d+)
    |(?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:\"{3}|'{3}|\"|'))
    |(?P<ident>[a-zA-Z_][a-zA-Z0-9_]*)
    |(?P<quoted>`[a-zA-Z0-9_.\-/ ]+`)
    |(?P<op>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE,
)
_RESERVED = frozenset(
    {
        "as", "break", "const", "continue", "else", "for", "function", "if", "import",
        "let", "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip
_PRIMARY = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)
_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34, "`": 96, "?": 63}
_LEVELS: tuple[dict[str, str], ...] = (
    {op: f"_{op}_" for op in ("<", "<=", ">", ">=", "==", "!=")} | {"in": "@in"},
    {"+": "_+_", "-": "_-_"},
    {"*": "_*_", "/": "_/_", "%": "_%_"},
)
# Deeper nesting than upstream's recursion limit would exhaust Python's stack in the checker and the evaluator.
_DEPTH = 50
MAX_EXPRESSION = 100_000


# What no variable may be called.
RESERVED = _RESERVED | {"true", "false", "null", "in"}


class SyntaxProblem(Exception):
    """The expression cannot be read; the first problem ends the reading."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.problem = syntax.Problem(offset, message)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int
    value: Any = None


def parse(source: str) -> Node:
    """Raises SyntaxProblem."""
    if len(source) > MAX_EXPRESSION:
        text = f"expression code point size exceeds limit: size: {len(source)}, limit {MAX_EXPRESSION}"
        raise SyntaxProblem(0, text)
    return _Parser(source).whole()


def _tokens(source: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise SyntaxProblem(at, f"Syntax error: token recognition error at: '{source[at : at + 1]}'")
        kind, text = str(match.lastgroup), match.group()
        if kind == "string":
            value, end = _string(source, at, text)
            found.append(_Token("bytes" if isinstance(value, bytes) else "string", source[at:end], at, value))
            at = end
            continue
        if kind != "space":
            found.append(_Token(kind, text, at, _number(kind, text, at)))
        at = match.end()
    found.append(_Token("end", "<EOF>", len(source)))
    return found


def _number(kind: str, text: str, at: int) -> Any:
    if kind == "float":
        return float(text)
    if kind == "uint":
        number = int(text[:-1], 0) if text[:2] == "0x" else int(text[:-1])
        if number > values.UINT_MAX:
            raise SyntaxProblem(at, "invalid uint literal")
        return values.Uint(number)
    if kind == "int":
        return int(text, 0) if text[:2] == "0x" else int(text)
    return None


def _string(source: str, at: int, opening: str) -> tuple[str | bytes, int]:
    prefix = opening.rstrip("'\"").lower()
    quote = opening[len(prefix) :]
    raw, binary = "r" in prefix, "b" in prefix
    position = at + len(opening)
    parts: list[int] = []
    encoded = bytearray()
    while True:
        if source.startswith(quote, position):
            break
        if position >= len(source) or (len(quote) == 1 and source[position] in "\r\n"):
            raise SyntaxProblem(at, f"Syntax error: token recognition error at: '{source[at:position]}'")
        letter = source[position]
        if letter == "\\" and not raw:
            code, position, is_byte = _escape(source, position)
        else:
            code, position, is_byte = ord(letter), position + 1, False
        if binary:
            encoded += bytes([code]) if is_byte else chr(code).encode()
        else:
            parts.append(code)
    end = position + len(quote)
    return (bytes(encoded) if binary else "".join(map(chr, parts))), end


def _escape(source: str, at: int) -> tuple[int, int, bool]:
    letter = source[at + 1 : at + 2]
    if letter in _ESCAPES:
        return _ESCAPES[letter], at + 2, False
    for pattern, base, is_byte in (
        (r"[xX]([0-9a-fA-F]{2})", 16, True),
        (r"u([0-9a-fA-F]{4})", 16, False),
        (r"U([0-9a-fA-F]{8})", 16, False),
        (r"([0-3][0-7]{2})", 8, True),
    ):
        match = re.compile(pattern).match(source, at + 1)
        if match is not None and int(match[1], base) < 0x110000 and not 0xD800 <= int(match[1], base) < 0xE000:
            return int(match[1], base), match.end(), is_byte
    raise SyntaxProblem(at, f"Syntax error: token recognition error at: '{source[at : at + 2]}'")


class _Parser:
    def __init__(self, source: str) -> None:
        self._tokens = _tokens(source)
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression()
        if self._here.kind != "end":
            self._unexpected("<EOF>", extraneous=self._tokens[self._at + 1].kind == "end")
        return node

    @property
    def _here(self) -> _Token:
        return self._tokens[self._at]

    def _is(self, *texts: str) -> bool:
        token = self._here
        return token.text in texts and token.kind in ("op", "ident")

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _accept(self, text: str) -> _Token | None:
        return self._take() if self._is(text) else None

    def _expect(self, text: str) -> _Token:
        if not self._is(text):
            self._unexpected(f"'{text}'")
        return self._take()

    def _unexpected(self, expected: str, *, extraneous: bool = False) -> None:
        token = self._here
        word = "extraneous" if extraneous else "mismatched"
        raise SyntaxProblem(token.offset, f"Syntax error: {word} input '{token.text}' expecting {expected}")

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > _DEPTH:
            raise SyntaxProblem(self._here.offset, f"expression recursion limit exceeded: {_DEPTH}")
        node = self._logical("||", lambda: self._logical("&&", lambda: self._binary(0)))
        question = self._accept("?")
        if question is not None:
            yes = self._logical("||", lambda: self._logical("&&", lambda: self._binary(0)))
            self._expect(":")
            node = Call(question.offset, "_?_:_", None, [node, yes, self._expression()])
        self._depth -= 1
        return node

    def _logical(self, operator: str, below: Any) -> Node:
        terms, offsets = [below()], []
        while (token := self._accept(operator)) is not None:
            offsets.append(token.offset)
            terms.append(below())
        return _balanced(f"_{operator}_", terms, offsets, 0, len(offsets) - 1)

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._binary(level + 1)
        while self._is(*_LEVELS[level]):
            token = self._take()
            node = Call(token.offset, _LEVELS[level][token.text], None, [node, self._binary(level + 1)])
        return node

    def _unary(self) -> Node:
        if self._is("!", "-"):
            token = self._take()
            count = 1
            while self._is(token.text):
                self._take()
                count += 1
            following = self._here
            if token.text == "-" and count % 2 and following.kind in ("int", "float"):
                self._take()
                return self._member(self._literal(following, -1, token.offset))
            node = self._member(self._primary())
            return Call(token.offset, f"{token.text}_", None, [node]) if count % 2 else node
        return self._member(self._primary())

    def _literal(self, token: _Token, sign: int, offset: int) -> Node:
        value = token.value * sign
        if token.kind == "int" and not values.INT_MIN <= value <= values.INT_MAX:
            raise SyntaxProblem(offset, "invalid int literal")
        return Literal(offset, value)

    def _member(self, node: Node) -> Node:
        while self._is(".", "["):
            token = self._take()
            optional = self._accept("?") is not None
            if token.text == "[":
                index = self._expression()
                self._expect("]")
                node = Call(token.offset, "_[?_]" if optional else "_[_]", None, [node, index])
                continue
            name = self._here
            if name.kind not in ("ident", "quoted"):
                self._unexpected("IDENTIFIER")
            self._take()
            opening = None if optional or name.kind == "quoted" else self._accept("(")
            if opening is None:
                node = Select(token.offset, node, name.text.strip("`"), optional=optional)
            else:
                node = macro(opening.offset, name.text, node, self._arguments(")"))
        return node

    def _arguments(self, closing: str) -> list[Node]:
        found: list[Node] = []
        while not self._is(closing):
            found.append(self._expression())
            if self._accept(",") is None:
                break
        self._expect(closing)
        return found

    def _primary(self) -> Node:
        token = self._take()
        if token.kind in ("int", "float"):
            return self._literal(token, 1, token.offset)
        if token.kind in ("uint", "string", "bytes"):
            return Literal(token.offset, token.value)
        if token.kind == "op" and token.text in ("(", "[", "{"):
            return {"(": self._group, "[": self._list, "{": self._map}[token.text](token)
        if token.text == "." and self._here.kind == "ident":
            token = self._take()
        if token.kind != "ident" or token.text == "in":
            self._at -= 1
            follows = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
            starts = follows.kind not in ("op", "end") or follows.text in ("(", "[", "{", "-", "!")
            self._unexpected(_PRIMARY, extraneous=starts and token.kind != "end")
        return self._named(token)

    def _named(self, token: _Token) -> Node:
        constants = {"true": True, "false": False, "null": None}
        if token.text in constants:
            return Literal(token.offset, constants[token.text])
        if token.text in _RESERVED:
            raise SyntaxProblem(token.offset, f"reserved identifier: {token.text}")
        opening = self._accept("(")
        if opening is not None:
            return macro(opening.offset, token.text, None, self._arguments(")"))
        if (name := self._struct_name(token.text)) is not None:
            return self._struct(name)
        return Ident(token.offset, token.text)

    def _struct_name(self, first: str) -> str | None:
        """A dotted name with a brace behind it, taken; otherwise nothing is taken."""
        at, name = self._at, first
        while self._tokens[at].text == "." and self._tokens[at + 1].kind == "ident":
            name += "." + self._tokens[at + 1].text
            at += 2
        if self._tokens[at].kind != "op" or self._tokens[at].text != "{":
            return None
        self._at = at
        return name

    def _group(self, token: _Token) -> Node:
        node = self._expression()
        self._expect(")")
        return node

    def _list(self, token: _Token) -> Node:
        elements: list[Node] = []
        optional = set()
        while not self._is("]"):
            if self._accept("?"):
                optional.add(len(elements))
            elements.append(self._expression())
            if self._accept(",") is None:
                break
        self._expect("]")
        return ListLiteral(token.offset, elements, frozenset(optional))

    def _map(self, token: _Token) -> Node:
        entries: list[tuple[Node, Node, bool]] = []
        while not self._is("}"):
            optional = self._accept("?") is not None
            key = self._expression()
            self._expect(":")
            entries.append((key, self._expression(), optional))
            if self._accept(",") is None:
                break
        self._expect("}")
        return MapLiteral(token.offset, entries)

    def _struct(self, name: str) -> Node:
        opening = self._expect("{")
        fields: list[tuple[str, Node, bool, int]] = []
        while not self._is("}"):
            optional = self._accept("?") is not None
            key = self._here
            if key.kind not in ("ident", "quoted"):
                self._unexpected("{'}', ',', IDENTIFIER}")
            self._take()
            colon = self._expect(":")
            fields.append((key.text.strip("`"), self._expression(), optional, colon.offset))
            if self._accept(",") is None:
                break
        self._expect("}")
        return StructLiteral(opening.offset, name, fields)


def _balanced(function: str, terms: list[Node], offsets: list[int], low: int, high: int) -> Node:
    # Long chains of || become a tree of logarithmic depth, as upstream's do: neither side's recursion suffers.
    if not offsets:
        return terms[0]
    middle = (low + high + 1) // 2
    left = terms[middle] if middle == low else _balanced(function, terms, offsets, low, middle - 1)
    right = terms[middle + 1] if middle == high else _balanced(function, terms, offsets, middle + 1, high)
    return Call(offsets[middle], function, None, [left, right])


_ONE = {"all": 2, "exists": 2, "exists_one": 2, "existsOne": 2, "filter": 2}
_TWO = {"all": 3, "exists": 3, "existsOne": 3}


def macro(offset: int, name: str, target: Node | None, args: list[Node]) -> Node:
    """The call, or what a macro of that name and number of arguments stands for. Raises SyntaxProblem."""
    count = len(args)
    if target is None:
        if name == "has" and count == 1:
            operand = args[0]
            if not isinstance(operand, Select) or operand.optional:
                raise SyntaxProblem(operand.offset, "invalid argument to has() macro")
            return Select(offset, operand.operand, operand.field, test=True)
        return Call(offset, name, None, args)
    if _ONE.get(name) == count:
        kind = "exists_one" if name == "existsOne" else name
        return Fold(offset, kind, target, [_variable(args[0], name)], args[1])
    if _TWO.get(name) == count:
        kind = "exists_one" if name == "existsOne" else name
        return Fold(offset, kind, target, _pair(args), args[2])
    if name == "map" and count in (2, 3):
        return Fold(offset, "map", target, [_variable(args[0], name)], args[-1], args[1] if count == 3 else None)
    if name in ("transformList", "transformMap", "transformMapEntry") and count in (3, 4):
        return Fold(offset, name, target, _pair(args), args[-1], args[2] if count == 4 else None)
    if name in ("optMap", "optFlatMap", "sortBy") and count == 2:
        if not isinstance(args[0], Ident):
            text = f"{name}() variable name must be a simple identifier"
            raise SyntaxProblem(args[0].offset, text)
        return Fold(offset, name, target, [args[0].name], args[1])
    return Call(offset, name, target, args)


def _variable(node: Node, name: str) -> str:
    if not isinstance(node, Ident):
        raise SyntaxProblem(node.offset, "argument must be a simple name")
    return node.name


def _pair(args: list[Node]) -> list[str]:
    names = [_variable(node, "") for node in args[:2]]
    if names[0] == names[1]:
        raise SyntaxProblem(args[1].offset, f"duplicate variable name: {names[0]}")
    return names
