"""The language and its libraries, by the examples of their documentation; and against Google's runtime."""

from __future__ import annotations

from typing import Any

import pytest
from cel_expr_python import cel as google
from cel_expr_python.ext import ext_optional, ext_strings

from kijabi.api import cel
from kijabi.api.cel import types, values

VARIABLES = {"n": types.INT, "items": types.list_of(types.INT), "text": types.STRING, "any": types.DYN}
GIVEN: dict[str, Any] = {
    "n": 3,
    "items": [3, 1, 2],
    "text": "kijabi",
    "any": {"a": {"b": [1, 2]}, "none": None, "f": 1.5, "list": ["x", "y"]},
}


def run(expression: str) -> cel.Outcome:
    program = cel.compile(expression, cel.Environment(VARIABLES))
    assert not isinstance(program, str), program
    return program.evaluate(GIVEN)


@pytest.mark.parametrize(
    "expression",
    [
        # lists
        "[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
        "[1, 3].sum() == 4 && [1.0, 3.0].sum() == 4.0 && ['1m', '1s'].map(t, duration(t)).sum() == duration('1m1s')",
        "[1, 3].min() == 1 && [1, 3].max() == 3 && ['a', 'b', 'b', 'a'].lastIndexOf('b') == 2",
        "[1, 2, 2, 3].indexOf(2) == 1 && [1].indexOf(5) == -1",
        "[1, 2, 3].slice(1, 3) == [2, 3] && [[1], [2, 3]].flatten() == [1, 2, 3] && [1, 1, 2].distinct() == [1, 2]",
        "[3, 1, 2].sort() == [1, 2, 3] && [1, 2].reverse() == [2, 1] && lists.range(3) == [0, 1, 2]",
        "[1, 2].first().value() == 1 && ![].last().hasValue() && [3, 1].sortBy(x, -x) == [3, 1]",
        # strings
        "'tacocat'.charAt(3) == 'o' && 'hello mellow'.indexOf('ello', 2) == 7 && 'TacoCat'.lowerAscii() == 'tacocat'",
        "'hello hello'.replace('he', 'we', 1) == 'wello hello' && 'a b c'.split(' ', 2) == ['a', 'b c']",
        "'tacocat'.substring(0, 4) == 'taco' && ['x', 'y'].join('-') == 'x-y' && '  t '.trim() == 't'",
        "'%s is %d, %.2f, %x'.format(['a']) == 'a' || true",
        "'%s has %s'.format(['x', 'y']) == 'x has y' && '%.1f'.format([1.25]) == '1.2' && '%b'.format([5]) == '101'",
        "strings.quote('a\"b') == '\"a\\\\\"b\"'",
        "'abc 123'.find('[0-9]+') == '123' && '123 abc 456'.findAll('[0-9]+', 1) == ['123'] && 'x'.find('y') == ''",
        # urls
        "url('https://u@example.com:80/a b?k=1&k=2&z=%41').getHost() == 'example.com:80'",
        "url('https://[::1]:80/').getHostname() == '::1' && url('https://e.com/').getPort() == ''",
        "url('https://e.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'",
        "url('https://e.com/p?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}",
        "isURL('/absolute') && !isURL('../relative') && !isURL('https://a:b:c/')",
        # quantities and versions
        "quantity('50k').add(20) == quantity('50020') && quantity('50M').compareTo(quantity('50Mi')) == -1",
        "isQuantity('1.3G') && !isQuantity('200K') && quantity('50000000G').isInteger() && quantity('1.5').sign() == 1",
        "quantity('2M').sub(quantity('1M')).asInteger() == 1000000 && quantity('5.7k').asApproximateFloat() == 5700.0",
        "isSemver('1.0.0') && !isSemver('v1.0') && isSemver('v1.0', true) && semver('v01.01', true) == semver('1.1.0')",
        "semver('1.2.3-alpha.1').isLessThan(semver('1.2.3')) && semver('1.2.3').minor() == 2",
        # networks
        "ip('192.168.0.1').family() == 4 && isIP('::1') && !isIP('::ffff:1.2.3.4') && !ip.isCanonical('2001:DB8::1')",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
        "cidr('192.168.0.0/24').ip() == ip('192.168.0.0') && string(cidr('fd00::/8')) == 'fd00::/8'",
        "ip('224.0.0.1').isLinkLocalMulticast() && ip('8.8.8.8').isGlobalUnicast() && ip('127.0.0.1').isLoopback()",
        # formats
        "!format.dns1123Label().validate('my-label').hasValue() && format.uuid().validate('x').hasValue()",
        "format.named('qualifiedName').value().validate('-').value()[0].startsWith('name part must')",
        "!format.named('none').hasValue() && !format.dns1123LabelPrefix().validate('my-prefix-').hasValue()",
        # sets, optionals, macros of two variables
        "sets.contains([1, 2, 3], [2]) && sets.equivalent([1, 1], [1]) && sets.intersects([1], [1, 2])",
        "any.?a.?b[?0].orValue(9) == 1 && any.?x.?y.orValue('z') == 'z' && !any.?x.hasValue()",
        "optional.of(3).optMap(x, x + 1).value() == 4 && optional.none().or(optional.of(1)).value() == 1",
        "[?any.?x, 1] == [1] && {?'k': any.?x} == {} && optional.ofNonZeroValue('') == optional.none()",
        "[1, 2].all(i, v, v == i + 1) && {'a': 1}.exists(k, v, k == 'a' && v == 1) && [5].existsOne(i, v, i == 0)",
        "[1, 2].transformList(i, v, v > 1, i) == [1] && {'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
        "[7].transformMapEntry(i, v, {string(v): i}) == {'7': 0}",
        # failures that do not matter
        "any.nope == 1 || true",
        "!(any.nope == 1 && false)",
        "[0, 1].exists(x, 1 / x == 1)",
    ],
)  # fmt: skip
def test_holds(expression: str) -> None:
    outcome = run(expression)
    assert (outcome.failure, outcome.value) == (None, True)


@pytest.mark.parametrize(
    ("expression", "failure"),
    [
        ("any.nope", "no such key: nope"),
        ("items[7]", "index out of bounds: 7"),
        ("n / 0", "division by zero"),
        ("9223372036854775807 + n", "integer overflow"),
        ("any.f + n", "no such overload"),
        ("int('x')", "type conversion error from 'string' to 'int'"),
        ("items.filter(x, false).min() == 1", "min called on empty list"),
        ("optional.none().value()", "optional.none() dereference"),
        ("{'a': 1, 'a': 2}", "insert failed: key a already exists"),
        ("text.matches(any.list[0] + '(?=a)')", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"),
    ],
)  # fmt: skip
def test_fails(expression: str, failure: str) -> None:
    assert run(expression).failure == failure


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("x > 1", "ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\n | x > 1\n | ^"),
        (
            "n + 'a'",
            "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n | n + 'a'\n | ..^",
        ),
        ("n.a", "ERROR: <input>:1:2: type 'int' does not support field selection\n | n.a\n | .^"),
        ("[1, 'a']", "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a']\n | ....^"),
        ("text.matches('(')", "ERROR: <input>:1:14: invalid matches argument\n | text.matches('(')\n | .............^"),
        ("if", "ERROR: <input>:1:1: reserved identifier: if\n | if\n | ^"),
        ("n n", "ERROR: <input>:1:3: Syntax error: extraneous input 'n' expecting <EOF>\n | n n\n | ..^"),
    ],
)  # fmt: skip
def test_does_not_compile(expression: str, problem: str) -> None:
    assert cel.compile(expression, cel.Environment(VARIABLES)) == problem


def test_deep_nesting_is_refused_and_long_chains_are_not() -> None:
    deep = cel.compile("(" * 200 + "1" + ")" * 200, cel.Environment({}))
    assert isinstance(deep, str)
    assert "recursion limit exceeded" in deep
    assert isinstance(cel.compile("1" + "+1" * 5000, cel.Environment({})), str)
    assert run(" || ".join(["n == 4"] * 500)).value is False


ORACLE = google.NewEnv(
    variables={
        "n": google.Type.INT,
        "items": google.Type.List(google.Type.INT),
        "text": google.Type.STRING,
        "any": google.Type.DYN,
    },
    extensions=[ext_strings.ExtStrings(), ext_optional.ExtOptional()],
)


@pytest.mark.parametrize(
    "expression",
    [
        "1 + 2 * 3 - 4 / 2 % 3",
        "-7 / 2",
        "-7 % 3",
        "7.0 / 2.0 + 0.5",
        "text + '!' == 'kijabi!' ? size(text) : -1",
        "items.map(x, x * 2).filter(x, x > 2)",
        "items.exists_one(x, x == 2) && items.all(x, x > 0)",
        "[dyn(1), dyn([2, 3])] == [dyn(1), dyn([2, 3])]",
        "{'a': [1], 'b': [n]}",
        "'a' in {'a': 1} && !(5 in items)",
        "string(1.5) + string(2.0) + string(1e21) + string(-0.1)",
        "int('-12') + int(3.9) + int(-3.9)",
        "double('1e3')",
        "timestamp('2024-02-29T12:34:56.789Z').getMilliseconds()",
        "timestamp('2024-02-29T23:30:00Z').getDayOfWeek('Asia/Seoul')",
        "timestamp('2024-12-31T00:00:00Z').getDayOfYear()",
        "string(timestamp('2024-01-01T00:00:00Z') + duration('90m1ms'))",
        "string(duration('1h2m3s'))",
        "duration('-90s').getMinutes()",
        "any.a.b[1] == 2 && has(any.none) && any.none == null",
        "dyn(1) == 1.0 && dyn(1u) == 1",
        "b'abc' + b'\\x41'",
        "'\\u00e9\\n' + r'\\n'",
        "size('héllo')",
        "1 < 2 && 'a' < 'b' && 1.5 >= 1.5 && true > false",
        "text.substring(1, 3) + text.upperAscii()",
        "'a,b,c'.split(',')",
        "any.?a.?b.hasValue()",
    ],
)
def test_agrees_with_googles_runtime(expression: str) -> None:
    expected = ORACLE.compile(expression).eval(data=GIVEN).plain_value()
    found = run(expression)
    assert found.failure is None
    assert values.equal(found.value, expected) or found.value == expected
