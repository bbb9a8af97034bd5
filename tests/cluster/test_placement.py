from kijabi.cluster import placement


def test_the_chosen_node_comes_first_and_the_excluded_say_why() -> None:
    decision = {
        "pod": "demo/web",
        "node": "node-2",
        "nodes": [
            {
                "name": "node-3",
                "filtered_by": "TaintToleration",
                "message": "node(s) had untolerated taint",
                "scores": {},
            },
            {"name": "node-1", "scores": {"NodeResourcesFit": {"weighted": 40}}, "total": 40},
            {"name": "node-2", "scores": {"NodeResourcesFit": {"weighted": 90.4}}, "total": 90.4},
        ],
    }
    assert placement.table(decision) == [
        "demo/web was placed on node-2",
        "     NODE    NodeResourcesFit  TOTAL",
        "  →  node-2  90                90",
        "     node-1  40                40",
        "     node-3  -                 -",
        "  node-3: kept out by TaintToleration: node(s) had untolerated taint",
    ]


def test_a_pod_that_fits_nowhere_was_placed_nowhere() -> None:
    assert placement.table({"pod": "demo/web", "nodes": []})[0] == "demo/web was placed nowhere"
