"""Rows, columns and what is remembered of them."""

import numpy as np

from kijabi.scheduler import columns, podinfo


def test_a_row_that_came_free_is_used_again(node):
    table = columns.Columns()
    table.set_node(node("a"))
    table.set_node(node("b"))
    row = table.row_of["a"]
    table.remove_node("a")
    assert not table.alive[row]
    table.set_node(node("c", cpu="1"))
    assert table.row_of["c"] == row
    assert table.allocatable[0, row] == 1000
    assert table.count == 2


def test_columns_grow_with_rows_and_resources(node, pod):
    table = columns.Columns()
    for number in range(100):
        table.set_node(node(f"n{number}", extra={f"example.com/r{number}": "3"}))
    table.add_pod("n99", podinfo.of(pod("p", cpu="1", extra={"example.com/r99": "2", "example.com/unheard-of": "1"})))
    [(_, wide, _)] = table.wanted([("example.com/r99", 1)])
    [(_, strange, _)] = table.wanted([("example.com/unheard-of", 1)])
    row = table.row_of["n99"]
    assert table.allocatable[wide, row] == 3
    assert table.used[wide, row] == 2
    assert (table.allocatable[strange, row], table.used[strange, row]) == (0, 1)
    assert table.used[0, row] == 1000
    assert table.used[3, row] == 1


def test_pods_of_an_unknown_node_wait_for_it(node, pod):
    table = columns.Columns()
    early, leaving = podinfo.of(pod("early", cpu="1")), podinfo.of(pod("leaving"))
    assert table.add_pod("late", early) is None
    table.add_pod("late", leaving)
    assert table.remove_pod("late", leaving.uid) is None
    assert table.set_node(node("late")) == [early]
    assert table.used[0, table.row_of["late"]] == 1000


def test_pods_outlast_their_node_and_count_again_when_it_is_back(node, pod):
    table = columns.Columns()
    table.set_node(node("n"))
    info = podinfo.of(pod("p", cpu="2"))
    table.add_pod("n", info)
    assert table.remove_node("n") == [info]
    assert not table.used.any()
    assert table.set_node(node("n")) == [info]
    assert table.used[0, table.row_of["n"]] == 2000


def test_static_values_are_asked_anew_for_changed_nodes_alone(node):
    table = columns.Columns()
    asked = []

    def value(of):
        asked.append(of["metadata"]["name"])
        return len(of["spec"].get("taints", ()))

    for name in "ab":
        table.set_node(node(name))
    assert table.is_zero("taints", value)
    table.set_node(node("b", taints=[{"key": "k"}]))
    assert table.static("taints", value)[table.row_of["b"]] == 1
    assert not table.is_zero("taints", value)
    assert asked == ["a", "b", "b"]


def test_loaded_values_are_computed_anew_for_touched_rows_alone(node, pod):
    table = columns.Columns()
    for name in "abc":
        table.set_node(node(name))
    computed = []

    def formula(rows, arithmetic):
        computed.append(np.size(rows))
        return table.used[0, rows] + arithmetic.maximum(table.used[3, rows], 0)

    table.loaded("k", formula)
    info = podinfo.of(pod("p", cpu="1"))
    table.add_pod("b", info)
    assert table.loaded("k", formula)[table.row_of["b"]] == 1001
    table.remove_pod("b", info.uid)
    assert not table.loaded("k", formula).any()
    assert computed == [table.size, 1, 1]


def test_loaded_values_survive_more_changes_than_are_recorded(node, pod):
    table = columns.Columns()
    table.set_node(node("a"))
    table.loaded("k", lambda rows, arithmetic: table.used[3, rows] * 1)
    for number in range(5 * table.size):
        table.add_pod("a", podinfo.of(pod(f"p{number}")))
    assert table.loaded("k", lambda rows, arithmetic: table.used[3, rows] * 1)[0] == 5 * table.size


def test_a_whole_is_made_anew_when_any_node_changes(node):
    table = columns.Columns()
    made = []
    table.set_node(node("a", zone="x"))
    for step in (lambda: None, lambda: None, lambda: table.set_node(node("b")), lambda: table.remove_node("b")):
        step()
        table.whole("k", lambda: made.append(table.count))
    assert made == [1, 2, 1]


def test_domains_number_the_values_of_a_label(node):
    table = columns.Columns()
    for name, zone in (("a", "x"), ("b", "y"), ("c", ""), ("d", "x")):
        table.set_node(node(name, zone=zone))
    domains = table.topology("topology.kubernetes.io/zone")
    numbers = [domains.numbers[table.row_of[name]] for name in "abcd"]
    assert numbers[0] == numbers[3] != numbers[1]
    assert numbers[2] == -1
    counts = np.zeros(table.size, np.int64)
    counts[:4] = [1, 2, 4, 8]
    assert domains.sums(counts).tolist() == [9, 2, 0]
    table.remove_node("b")
    assert table.topology("topology.kubernetes.io/zone").present() == 1
