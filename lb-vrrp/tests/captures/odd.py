#!/usr/bin/python3
"""Writes a capture of odd and malformed packets, made with scapy: packet n comes from 192.0.2.n or fe80::n, each about a
virtual router of its own where it can."""
import struct
import sys

from scapy.all import (
    AH, Dot1AD, Dot1Q, Ether, IP, IPOption_Router_Alert, IPv6, IPv6ExtHdrHopByHop, Raw, PadN, checksum, in6_chksum, wrpcap,
)

VIRTUAL = "00:00:5e:00:01:%02x"
VIRTUAL6 = "00:00:5e:00:02:%02x"
ADDRESS = bytes([203, 0, 113, 1])
LINK_LOCAL = bytes.fromhex("fe800000000000000000000000000051")
GLOBAL = bytes.fromhex("20010db8000000000000000000000051")


def message(n, version=3, kind=1, vrid=None, priority=100, count=1, word=100, addresses=ADDRESS, end=b"", damage=0):
    vrid = n if vrid is None else vrid
    head = struct.pack("!BBBBH", version << 4 | kind, vrid, priority, count, word)
    bare = head + b"\0\0" + addresses + end
    return head + struct.pack("!H", checksum(bare) ^ damage) + addresses + end


def over_ipv4(n, payload, mac=VIRTUAL, **ip):
    ip = dict(ttl=255, proto=112) | ip
    return Ether(src=mac % n, dst="01:00:5e:00:00:12") / IP(src=f"192.0.2.{n}", dst="224.0.0.18", **ip) / Raw(payload)


def over_ipv6(n, addresses, version=3, between=None):
    ip = IPv6(src=f"fe80::{n:x}", dst="ff02::12", hlim=255, nh=112)
    head = struct.pack("!BBBBH", version << 4 | 1, n, 100, len(addresses) // 16, 100)
    end = b"\0" * 8 if version == 2 else b""
    sum6 = in6_chksum(112, ip, head + b"\0\0" + addresses + end)
    payload = Raw(head + struct.pack("!H", sum6) + addresses + end)
    if between is not None:
        ip.nh = None
        payload = between / payload
    return Ether(src=VIRTUAL6 % n, dst="33:33:00:00:00:12") / ip / payload


def v2(n, auth=0, end=b"\0" * 8):
    return message(n, version=2, word=auth << 8 | 1, end=end)


PACKETS = [
    over_ipv4(1, message(1)),
    over_ipv4(2, message(2), ttl=254),
    over_ipv4(3, message(3, version=4)),
    over_ipv4(4, message(4, kind=2)),
    over_ipv4(5, message(5, vrid=0)),
    over_ipv4(6, message(6, count=0, addresses=b"")),
    over_ipv4(7, message(7, word=0)),
    over_ipv4(8, message(8, count=2)),
    over_ipv4(9, message(9, end=b"more")),
    over_ipv4(10, message(10, damage=0x55AA)),
    over_ipv4(11, v2(11, auth=9)),
    over_ipv4(12, v2(12, end=b"")),
    # CARP with the id of packet 1.
    over_ipv4(13, struct.pack("!BBBBBBHQ", 0x21, 1, 0, 7, 0, 1, 0, 1) + bytes(range(20))),
    over_ipv4(14, message(14), options=[IPOption_Router_Alert()]),
    over_ipv6(15, LINK_LOCAL + GLOBAL, between=IPv6ExtHdrHopByHop(nh=112, options=[PadN(optdata=b"\0" * 4)])),
    over_ipv4(17, v2(17, auth=2), proto=51),
    over_ipv4(18, message(18), flags="MF"),
    over_ipv6(19, GLOBAL),
    over_ipv6(20, LINK_LOCAL, version=2),
    over_ipv4(21, message(21), mac="02:00:00:00:00:%02x"),
    over_ipv4(22, v2(22, auth=1, end=b"password")),
    over_ipv4(23, message(23, version=2, word=41, end=b"\0" * 8)),
]

tagged = over_ipv4(16, message(16))
outer = Ether(src=tagged.src, dst=tagged.dst) / Dot1AD(vlan=7) / Dot1Q(vlan=8) / tagged[IP]
PACKETS.insert(15, outer)
# The header of packet 17 gets its authentication header, of a key that nobody knows.
plain = PACKETS[16]
plain = plain[Ether].copy()
inner = bytes(plain[Raw])
plain[IP].remove_payload()
PACKETS[16] = plain / AH(nh=112, payloadlen=4, spi=0xC0000211, seq=1, icv=b"\0" * 12) / Raw(inner)
# A frame that ends within the IP header.
PACKETS.append(Raw(bytes(over_ipv4(24, message(24)))[:30]))

for n, packet in enumerate(PACKETS):
    packet.time = 1_000_000_000 + n / 1000
wrpcap(sys.argv[1], [Ether(bytes(packet)) for packet in PACKETS], linktype=1)
