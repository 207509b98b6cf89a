"""A VRRPv3 router as draft-cassen-vrrp-auth-hmac describes it, which shares nothing with the product.

peer.py FAMILY INTERFACE SOURCE VIRTUAL_ADDRESS KEY_ID KEY [PRIORITY]

With a priority it advertises five times a second as the MASTER of virtual router 51; without, it listens only. It says what
it hears: `valid PRIORITY`, or what is wrong. The key is in hexadecimal digits.
"""

import hashlib
import hmac
import ipaddress
import select
import socket
import struct
import sys
import time

FAMILY, INTERFACE, SOURCE, VIRTUAL, KEY_ID, KEY = sys.argv[1:7]
PRIORITY = int(sys.argv[7]) if len(sys.argv) > 7 else None
KEY_ID, KEY = int(KEY_ID), bytes.fromhex(KEY)
VRID, PROTOCOL, INTERVAL = 51, 112, 20
INDEX = socket.if_nametoindex(INTERFACE)
VIRTUAL = ipaddress.ip_address(VIRTUAL).packed


def digest(source, message, stamped):
    family = 4 if len(source) == 4 else 6
    covered = bytes([family, message[0] >> 4, message[1], 0]) + source.ljust(16, b"\0")
    covered += message[:6] + bytes(2) + message[8:] + stamped + bytes(16)
    return hmac.new(KEY, covered, hashlib.sha256).digest()[:16]


def checksum(message):
    total = sum(struct.unpack("!%dH" % (len(message) // 2), message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def advert(source):
    message = struct.pack("!BBBBHH", 0x31, VRID, PRIORITY, 1, INTERVAL, 0) + VIRTUAL
    if FAMILY == "4":
        message = message[:6] + struct.pack("!H", checksum(message)) + message[8:]
    now = time.time()
    stamped = bytes([1, KEY_ID, 0, 0]) + struct.pack("!Q", int(now * 65536) << 16)
    return message + stamped + digest(source, message, stamped)


def judge(source, pdu):
    message, stamped, mac = pdu[:-28], pdu[-28:-16], pdu[-16:]
    if len(message) != 8 + len(VIRTUAL) or message[8:] != VIRTUAL:
        return "%d bytes, and not one advert with one address and a trailer" % len(pdu)
    if stamped[:4] != bytes([1, KEY_ID, 0, 0]):
        return "trailer begins with %s" % stamped[:4].hex()
    if mac != digest(source, message, stamped):
        return "another MAC"
    if abs(struct.unpack("!I", stamped[4:8])[0] - time.time()) > 5:
        return "another time"
    # Over IPv6 the kernel has checked it, over all of the payload.
    if FAMILY == "4" and checksum(message) != 0:
        group = socket.inet_aton("224.0.0.18")
        if checksum(source + group + struct.pack("!HH", PROTOCOL, len(message)) + message) != 0:
            return "another checksum"
    return "valid %d" % message[2]


if FAMILY == "4":
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL)
    group = struct.pack("=4s4si", socket.inet_aton("224.0.0.18"), bytes(4), INDEX)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, group)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    destination = ("224.0.0.18", 0)
else:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, PROTOCOL)
    # IPV6_CHECKSUM: the kernel fills it in and checks it, as it does for keepalived.
    sock.setsockopt(socket.IPPROTO_IPV6, 7, 6)
    group = socket.inet_pton(socket.AF_INET6, "ff02::12") + struct.pack("=I", INDEX)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    destination = ("ff02::12", 0, 0, INDEX)
sock.bind((SOURCE, 0, 0, INDEX) if FAMILY == "6" else ("", 0))
own = ipaddress.ip_address(SOURCE).packed
if FAMILY == "6":
    # A bound socket gets no multicast: what is heard comes to a second one.
    ears = socket.socket(socket.AF_INET6, socket.SOCK_RAW, PROTOCOL)
    ears.setsockopt(socket.IPPROTO_IPV6, 7, 6)
    ears.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
else:
    ears = sock

print("ready", flush=True)
due = time.monotonic()
while True:
    readable, _, _ = select.select([ears], [], [], max(0, due - time.monotonic()))
    if readable:
        data, address = ears.recvfrom(2048)
        if FAMILY == "4":
            source, data = data[12:16], data[(data[0] & 15) * 4:]
        else:
            source = ipaddress.ip_address(address[0].split("%")[0]).packed
        if source != own and len(data) > 1 and data[1] == VRID:
            print(judge(source, data), flush=True)
    elif PRIORITY is not None:
        sock.sendto(advert(own), destination)
    if time.monotonic() >= due:
        due = time.monotonic() + INTERVAL / 100
