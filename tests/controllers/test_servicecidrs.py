import pytest

from kijabi.controllers import servicecidrs


def cidr(*texts: str) -> dict[str, object]:
    return {"metadata": {"name": "x"}, "spec": {"cidrs": list(texts)}}


@pytest.mark.parametrize(
    ("others", "addresses", "goes"),
    [
        ([], [], True),
        ([], ["10.1.0.5"], False),
        ([], ["10.2.0.5"], True),
        ([cidr("10.0.0.0/8")], ["10.1.0.5"], True),
        ([cidr("10.1.0.0/25")], ["10.1.0.5"], True),
        ([cidr("10.1.0.0/25")], ["10.1.0.200"], False),
        ([cidr("fd00::/64")], ["10.1.0.5"], False),
        ([cidr("10.1.0.0/24")], ["10.1.0.5"], True),
    ],
    ids=[
        "nothing taken",
        "taken",
        "taken elsewhere",
        "inside another",
        "lies in another",
        "beyond the other",
        "another family",
        "the same again",
    ],
)
def test_a_range_goes_when_no_address_is_orphaned(others, addresses, goes) -> None:
    assert servicecidrs.may_go(cidr("10.1.0.0/24"), others, addresses) is goes
