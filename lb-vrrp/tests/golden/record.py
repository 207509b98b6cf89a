#!/usr/bin/python3
"""Records the golden packets beside this file from the VRRP daemons of this machine. Usage, as root:

    ./record.py [NAME...]

Needs iproute2, tshark, and the daemons: apt-get install iproute2 tshark keepalived frr. Each recording has two network
namespaces of its own, joined by a pair of veth interfaces: the daemon runs in one, tshark listens in the other."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
DAEMON, PEER = f"golden-a-{os.getpid()}", f"golden-b-{os.getpid()}"
CAPTURED = "proto 112 or proto 51 or ip6 proto 112 or arp or icmp6[0] == 136"


def keepalived(instance, version=3, seconds=4):
    config = f"""global_defs {{
    vrrp_version {version}
}}
vrrp_instance golden {{
    interface lan
    state MASTER
{instance}
}}
"""
    return dict(daemon="keepalived", config=config, seconds=seconds)


def frr(interface, seconds=6):
    return dict(daemon="frr", config=f"interface lan\n{interface}\n", seconds=seconds)


V4 = """    virtual_router_id 51
    priority 200
    advert_int {interval}
    virtual_ipaddress {{
        192.0.2.99/24
        192.0.2.100/24
    }}"""
V6 = """    virtual_router_id 52
    priority 150
    advert_int 0.5
    virtual_ipaddress {
        fe80::5e/64
        2001:db8::99/64
    }"""
PASSWORD = """
    authentication {{
        auth_type {kind}
        auth_pass secret
    }}"""
UNICAST = """
    unicast_src_ip {source}
    unicast_peer {{
        {peer}
    }}"""

RECORDINGS = {
    "keepalived-v2": keepalived(V4.format(interval=2), 2, 14),
    "keepalived-v2-pass": keepalived(V4.format(interval=1) + PASSWORD.format(kind="PASS"), 2, 6),
    "keepalived-v2-ah": keepalived(V4.format(interval=1) + PASSWORD.format(kind="AH"), 2, 8),
    "keepalived-v3": keepalived(V4.format(interval=0.2)),
    "keepalived-v3-unicast": keepalived(
        V4.format(interval=1) + UNICAST.format(source="192.0.2.1", peer="192.0.2.2"), 3, 6),
    "keepalived-v3-ipv6": keepalived(V6),
    "keepalived-v3-ipv6-unicast": keepalived(
        V6 + UNICAST.format(source="fe80::1", peer="fe80::2"), 3, 6),
    "frr-v2": frr(" vrrp 51 version 2\n vrrp 51 priority 200\n vrrp 51 ip 192.0.2.99"),
    "frr-v3": frr(
        " vrrp 51 version 3\n vrrp 51 priority 254\n vrrp 51 advertisement-interval 300\n vrrp 51 ip 192.0.2.99"),
    "frr-v3-ipv6": frr(
        " vrrp 52 version 3\n vrrp 52 advertisement-interval 500\n vrrp 52 ipv6 2001:db8::99\n vrrp 52 ipv6 fe80::99"),
}


def run(*command):
    subprocess.run(command, check=True)


def inside(namespace, *command, **options):
    return subprocess.Popen(["ip", "netns", "exec", namespace, *command], **options)


def version(*command):
    said = subprocess.run(command, capture_output=True, text=True)
    return (said.stdout + said.stderr).splitlines()[0].strip()


def lan(name, recording):
    for namespace in (DAEMON, PEER):
        run("ip", "netns", "add", namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
    run("ip", "-n", DAEMON, "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", PEER)
    for namespace, host in ((DAEMON, 1), (PEER, 2)):
        run("ip", "-n", namespace, "link", "set", "lan", "addrgenmode", "none")
        run("ip", "-n", namespace, "link", "set", "lan", "up")
        run("ip", "-n", namespace, "address", "add", f"192.0.2.{host}/24", "dev", "lan")
        run("ip", "-n", namespace, "address", "add", f"fe80::{host}/64", "dev", "lan", "nodad")
    if recording["daemon"] == "frr":  # it wants the virtual Ethernet address made for it
        block, vrid, address = ("02", "34", ["2001:db8::99/64", "fe80::99/64"]) if "ipv6" in name else (
            "01", "33", ["192.0.2.99/24"])
        run("ip", "-n", DAEMON, "link", "add", "virtual", "link", "lan", "type", "macvlan", "mode", "bridge")
        run("ip", "-n", DAEMON, "link", "set", "virtual", "addrgenmode", "none")
        run("ip", "-n", DAEMON, "link", "set", "virtual", "address", f"00:00:5e:00:{block}:{vrid}")
        for one in address:
            run("ip", "-n", DAEMON, "address", "add", one, "dev", "virtual", *(["nodad"] if ":" in one else []))
        run("ip", "-n", DAEMON, "link", "set", "virtual", "up")


def start(recording, folder):
    config = folder / "golden.conf"
    config.write_text(recording["config"])
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if recording["daemon"] == "keepalived":
        pids = [f"--{which}={folder}/{which}" for which in ("pid", "vrrp_pid", "checkers_pid")]
        return [inside(DAEMON, "keepalived", "--dont-fork", "--vrrp", f"--use-file={config}", *pids, **quiet)]
    shutil.chown(folder, "frr", "frr")  # whom it becomes
    shared = ["--vty_socket", str(folder), "-z", str(folder / "zserv.api"), "-P", "0"]
    empty = folder / "zebra.conf"
    empty.write_text("")
    programs = []
    for program, file in (("zebra", empty), ("vrrpd", config)):
        programs.append(inside(DAEMON, f"/usr/lib/frr/{program}", *shared, "-f", str(file), "-i",
                               str(folder / f"{program}.pid"), **quiet))
        time.sleep(1)
    return programs


def frames(capture):
    data = capture.read_bytes()
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def advertises(frame):
    return (frame[12:14] == b"\x08\x00" and frame[23] in (112, 51)) or (
        frame[12:14] == b"\x86\xdd" and frame[20] == 112)


def announces(frame):
    """Gratuitous ARP, and neighbour advertisements to all nodes."""
    arp = frame[12:14] == b"\x08\x06"
    return frame[28:32] == frame[38:42] if arp else frame[:2] == b"\x33\x33" and not advertises(frame)


def record(name, recording):
    programs = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        capture = folder / "capture.pcap"
        try:
            lan(name, recording)
            listener = inside(PEER, "tshark", "-q", "-i", "lan", "-f", CAPTURED, "-F", "pcap", "-w", str(capture),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(2)
            programs = start(recording, folder)
            time.sleep(recording["seconds"])
            for program in reversed(programs):  # it resigns: the last advertisement has priority 0
                program.send_signal(signal.SIGTERM)
            for program in programs:
                program.wait(20)
            time.sleep(0.5)
            listener.send_signal(signal.SIGINT)
            listener.wait(20)
            write(name, recording, list(frames(capture)))
        finally:
            for program in programs:
                program.poll() is None and program.kill()
            for namespace in (DAEMON, PEER):
                subprocess.run(["ip", "netns", "del", namespace])


def write(name, recording, seen):
    adverts = [frame for frame in seen if advertises(frame)]
    others = [frame for frame in seen if announces(frame)]
    print(f"{name}: {len(adverts)} advertisements, {len(others)} announcements", flush=True)
    said = [version("tshark", "--version")]
    if recording["daemon"] == "keepalived":
        said.insert(0, version("keepalived", "--version"))
        command = "keepalived --dont-fork --vrrp --use-file=golden.conf"
    else:
        said.insert(0, "FRR " + version("/usr/lib/frr/vrrpd", "--version"))
        command = "zebra -f /dev/null; vrrpd -f golden.conf"
    head = [f"recorded by: ./record.py {name}", f"sent by: {said[0]}", f"captured by: {said[1]}",
            f"command: {command}", "golden.conf:", *("    " + line for line in recording["config"].splitlines()),
            "one Ethernet frame a line: advertisements (the first three, the last), then announcements"]
    kept = adverts[:3] + adverts[3:][-1:] + list(dict.fromkeys(others))[:2]
    lines = [f"# {line}".rstrip() for line in head] + [frame.hex() for frame in kept]
    (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or RECORDINGS:
        record(wanted, RECORDINGS[wanted])
