"""Builds each VRRP message of a capture that comes from an address anew with scapy, and compares the bytes.

judge.py CAPTURE ADDRESS prints how many there are.
"""
import sys

from scapy.all import IP, IPv6, rdpcap
from scapy.layers.vrrp import VRRP, VRRPv3

count = 0
for packet in rdpcap(sys.argv[1]):
    ip = packet.getlayer(IP) or packet.getlayer(IPv6)
    if ip is None or ip.src != sys.argv[2]:
        continue
    number = ip.proto if isinstance(ip, IP) else ip.nh
    if number == 51:
        # The message of version 2 after an authentication header, which has no checksum of its own.
        sent = bytes(ip)[20 + 24:]
        again = VRRP(sent)
        del again.chksum
        assert bytes(again) == sent, f"scapy makes {bytes(again).hex()} where {sent.hex()} was sent"
    elif number == 112:
        sent = bytes(ip)
        again = type(ip)(sent)
        assert type(again.payload) is (VRRP if bytes(ip.payload)[0] >> 4 == 2 else VRRPv3), again.summary()
        del again.payload.chksum
        assert bytes(again) == sent, f"scapy makes {bytes(again).hex()} where {sent.hex()} was sent"
    else:
        continue
    count += 1
print(count)
