"""kubectl on running pods: logs, exec, attach, cp, port-forward, proxy, run, debug."""

from __future__ import annotations

import http.client
import re
import shlex
import socket
from pathlib import Path

import pytest

from kubectls import BUSYBOX, OBEDIENT, Kubectl, deployment, nginx, pod, service

pytestmark = pytest.mark.e2e

# Of the two streams only each for itself is in order.
TALKER = f"echo one; echo two; echo three; {OBEDIENT}"
CRASHER = "echo attempt; exit 7"


@pytest.fixture(scope="module")
def busy(kubectl: Kubectl) -> Kubectl:
    """Pods that talk, crash, serve, and one with two containers and an init container."""
    two = pod("two", f"echo from main; {OBEDIENT}", labels={"app": "two"})
    side = {"name": "side", "image": BUSYBOX, "command": ["sh", "-c", f"echo from side; {OBEDIENT}"]}
    init = {"name": "first", "image": BUSYBOX, "command": ["sh", "-c", "echo from init"]}
    two["spec"]["containers"].append(side)
    two["spec"]["initContainers"] = [init]
    reader = pod("reader", container={"command": ["cat"], "stdin": True})
    kubectl.apply(
        pod("talker", TALKER),
        pod("crasher", CRASHER),
        two,
        reader,
        deployment("web", 1, nginx("web")),
        service("web", "web", 8000, 80),
    )
    kubectl.wait_ready("talker", "two", "reader")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    return kubectl


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("logs talker", "one\ntwo\nthree\n"),
        ("logs pod/talker --tail=1", "three\n"),
        ("logs talker --tail=0", ""),
        ("logs talker --since=1h", "one\ntwo\nthree\n"),
        ("logs talker --limit-bytes=5", "one\nt"),
        ("logs two -c side", "from side\n"),
        ("logs two -c first", "from init\n"),
        ("logs -l app=two -c main", "from main\n"),
        ("logs two --all-containers", r"(?=.*from init\n)(?=.*from main\n)(?=.*from side\n)(from \w+\n){3}"),
        ("logs two --all-containers --prefix", r".*\[pod/two/first\] from init\n.*"),
        ("logs talker --timestamps --tail=1", r"\d{4}-\d\d-\d\dT[\d:.]+Z three\n"),
    ],
    ids=lambda value: value if value.startswith("logs") else "",
)
def test_logs(busy: Kubectl, command: str, expected: str) -> None:
    shown = busy(command)
    assert shown == expected or re.fullmatch(expected, shown, re.S), shown


def test_logs_since_a_moment_leaves_out_the_past(busy: Kubectl) -> None:
    assert busy("logs", "talker", "--since-time=2999-01-01T00:00:00Z") == ""


def test_logs_follow_a_pod_to_its_end(busy: Kubectl) -> None:
    script = "echo started; while [ ! -e /tmp/go ]; do usleep 20000; done; echo finished"
    busy.apply(pod("follow", script, restartPolicy="Never"))
    busy.wait_ready("follow")
    with busy.talk("logs", "-f", "follow") as log:
        log.expect("started")
        busy("exec", "follow", "--", "touch", "/tmp/go")
        log.expect("finished")
        assert log.wait() == 0
    busy("delete", "pod", "follow", "--wait=false")


def test_logs_of_the_instance_before(busy: Kubectl) -> None:
    with busy.talk("get", "pod", "crasher", "-w", "--no-headers") as watch:
        watch.expect(r"crasher +0/1 +CrashLoopBackOff +[1-9]")
    assert busy("logs crasher --previous") == "attempt\n"
    assert "previous terminated container" in busy.fails("logs talker --previous")
    state = busy.get("pod crasher")["status"]["containerStatuses"][0]
    assert state["lastState"]["terminated"]["exitCode"] == 7
    assert state["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert "back-off 10s restarting failed container=main" in state["state"]["waiting"]["message"]


@pytest.mark.parametrize(
    ("command", "code", "out", "err"),
    [
        ("exec talker -- echo hello", 0, "hello\n", ""),
        (
            "exec talker -- sh -c 'echo out; echo err >&2; exit 5'",
            5,
            "out\n",
            "err\ncommand terminated with exit code 5",
        ),
        ("exec two -c side -- hostname", 0, "two\n", ""),
        ("exec deploy/web -- nginx -v", 0, "", "nginx version"),
        ("exec talker -- nothing-like-this", 1, "", "executable file not found"),
        ("exec nobody -- true", 1, "", 'pods "nobody" not found'),
        ("exec talker -c nobody -- true", 1, "", "container nobody is not valid for pod talker"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("exec") else "",
)
def test_exec(busy: Kubectl, command: str, code: int, out: str, err: str) -> None:
    result = busy.run(*shlex.split(command))
    assert result.code == code or (code == 1 and result.code > 100), result
    assert result.out == out
    assert re.search(err, result.err), result.err


def test_exec_passes_input_on_until_its_end(busy: Kubectl) -> None:
    text = "line\n" * 50_000
    assert busy("exec", "-i", "talker", "--", "sha256sum", stdin=text) == busy(
        "exec", "-i", "talker", "--", "sh", "-c", "cat >/tmp/in; sha256sum </tmp/in", stdin=text
    )
    assert busy("exec", "-i", "talker", "--", "wc", "-c", stdin=text).strip() == str(len(text))


def test_exec_carries_much_output(busy: Kubectl) -> None:
    assert len(busy("exec", "talker", "--", "head", "-c", "5000000", "/dev/zero")) == 5_000_000


def test_exec_with_a_terminal(busy: Kubectl) -> None:
    with busy.talk("exec", "-it", "talker", "--", "sh", terminal=True) as shell:
        shell.expect("# ")
        shell.send("tty; stty size; echo $((6*7))\n")
        shell.expect(r"/dev/pts/\d+")
        shell.expect("42")
        shell.send("exit 3\n")
        assert shell.wait() == 3


def test_attach_talks_to_the_first_process(busy: Kubectl) -> None:
    with busy.talk("attach", "-i", "reader") as attached:
        attached.send("are you there\n")
        attached.expect("are you there")
        attached.send("good\n")
        attached.expect("good")
    assert "are you there" in busy("logs reader")


def test_cp_both_ways(busy: Kubectl, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep/file").write_bytes(bytes(range(256)) * 4096)
    (source / "text").write_text("hello\n")
    busy("cp", str(source), f"{busy.namespace}/talker:/tmp/copied")
    assert busy("exec talker -- cat /tmp/copied/text") == "hello\n"
    busy("cp", f"{busy.namespace}/talker:/tmp/copied", str(tmp_path / "back"))
    assert (tmp_path / "back/deep/file").read_bytes() == (source / "deep/file").read_bytes()
    busy("cp", str(source / "text"), "two:/tmp/text", "-c", "side")
    assert busy("exec two -c side -- cat /tmp/text") == "hello\n"


@pytest.mark.parametrize(
    ("target", "port"),
    [("pod/{web}", 80), ("deployment/web", 80), ("service/web", 8000), ("service/web", "http")],
    ids=["pod", "deployment", "service", "named port"],
)
def test_port_forward(busy: Kubectl, target: str, port: int | str) -> None:
    web = busy("get pods -l app=web -o jsonpath='{.items[0].metadata.name}'")
    with busy.talk("port-forward", target.format(web=web), f":{port}", "--address=127.0.0.1") as forward:
        local = int(forward.expect(r"Forwarding from 127.0.0.1:(\d+) -> 80")[1])
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", local, timeout=10)
            connection.request("GET", "/")
            answer = connection.getresponse()
            assert answer.status == 200
            assert b"Welcome to nginx!" in answer.read()
            connection.close()


def test_port_forward_to_a_closed_port_says_so(busy: Kubectl) -> None:
    with busy.talk("port-forward", "pod/talker", ":81", "--address=127.0.0.1") as forward:
        local = int(forward.expect(r"Forwarding from 127.0.0.1:(\d+)")[1])
        with socket.create_connection(("127.0.0.1", local), timeout=10) as connection:
            connection.sendall(b"x")
            forward.expect("(?i)connection refused")


def test_proxy_serves_the_api_and_what_is_behind_it(busy: Kubectl) -> None:
    with busy.talk("proxy", "--port=0") as proxy:
        port = int(proxy.expect(r"Starting to serve on 127.0.0.1:(\d+)")[1])
        ns = busy.namespace
        for path, expected in (
            ("/version", '"gitVersion"'),
            (f"/api/v1/namespaces/{ns}/pods/talker", '"name":"talker"'),
            (f"/api/v1/namespaces/{ns}/services/web:http/proxy/", "Welcome to nginx!"),
            (f"/api/v1/namespaces/{ns}/services/web:8000/proxy/", "Welcome to nginx!"),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            body = connection.getresponse().read().decode()
            assert expected in body.replace(": ", ":"), (path, body[:300])
            connection.close()


def test_run_and_remove(busy: Kubectl) -> None:
    with busy.talk(
        "run", "brief", f"--image={BUSYBOX}", "-it", "--rm", "--restart=Never", "--", "sh", terminal=True
    ) as shell:
        # Either the prompt was seen, or it was printed before the terminal was attached.
        shell.send("\n")
        shell.expect("# ")
        shell.send("echo $((40+2))\n")
        shell.expect("42")
        shell.send("exit\n")
        shell.expect('pod "brief" deleted')
        assert shell.wait() == 0
    assert 'pods "brief" not found' in busy.fails("get pod brief")


def test_run_hands_on_input_and_the_exit_code(busy: Kubectl) -> None:
    image = f"--image={BUSYBOX}"
    shown = busy("run", "pipe", image, "-i", "--rm", "--restart=Never", "--quiet", "--", "wc", "-c", stdin="12345")
    assert shown.split()[0] == "5"
    result = busy.run("run", "bad", image, "--attach", "--rm", "--restart=Never", "--quiet", "--", "sh", "-c", "exit 4")
    assert result.code == 4


def test_run_in_a_namespace_that_is_new(busy: Kubectl) -> None:
    other = busy.within(f"{busy.namespace}-new")
    busy("create", "namespace", other.namespace)
    assert "pod/at-once created" in other("run", "at-once", f"--image={BUSYBOX}", "--restart=Never", "--", "true")
    busy("delete", "namespace", other.namespace, "--wait=false")


def test_debug_adds_a_container_to_a_running_pod(busy: Kubectl) -> None:
    if busy.version < (1, 25):
        # It writes the ephemeralcontainers subresource in the alpha's form, which is gone.
        assert busy.run("debug", "talker", f"--image={BUSYBOX}", "--", "true").code == 1
        return
    debug = (
        "debug",
        "talker",
        f"--image={BUSYBOX}",
        "-c",
        "look",
        "--target=main",
        "--profile=general",
        "--attach=false",
    )
    busy(*debug, "--", "sh", "-c", "ps | grep -c trap; echo looked")
    with busy.talk(
        "get", "pod", "talker", "-w", "-o", "jsonpath={.status.ephemeralContainerStatuses[*].state}{'\\n'}"
    ) as watch:
        watch.expect("terminated.*Completed")
    assert "looked" in busy("logs talker -c look")


def test_debug_copies_a_pod(busy: Kubectl) -> None:
    busy(
        "debug",
        "talker",
        f"--image={BUSYBOX}",
        "--copy-to=copied",
        "--attach=false",
        "-c",
        "more",
        "--",
        "sh",
        "-c",
        OBEDIENT,
    )
    busy.wait_ready("copied")
    assert busy.get("pod copied", ".spec.containers[*].name") == "main more"
    busy("delete", "pod", "copied", "--wait=false")
