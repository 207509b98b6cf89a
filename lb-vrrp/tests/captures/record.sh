#!/usr/bin/env bash
# Records the captures beside it with real daemons: keepalived and FRR in network namespaces of their own, which end
# with this script. Needs root and keepalived, frr, tshark (for dumpcap) and python3-scapy. Takes a minute.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ ${1-} != inside ]]; then
  exec unshare --net --mount --pid --fork --kill-child "$0" inside
fi
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/run 2>/dev/null || true
mkdir -p /run/netns /run/frr
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

# A bridge with two routers, a and b, at its ports.
ip link set lo up
ip link add br0 type bridge mcast_snooping 0
ip link set br0 up
for n in 1 2; do
  ns=r$n
  ip netns add $ns
  ip link add p$n type veth peer name eth0 netns $ns
  ip link set p$n master br0 up
  ip -n $ns link set lo up
  ip -n $ns link set eth0 address 02:00:00:00:00:0$n
  ip -n $ns addr add 192.0.2.$n/24 dev eth0
  ip netns exec $ns sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0
  ip -n $ns link set eth0 up
done

record() { # FILE
  dumpcap -q -P -i br0 -f 'proto 112 or ip6 proto 112 or proto 51' -w "$work/$1" 2>"$work/dumpcap.log" &
  dumper=$!
  until [[ -s $work/$1 ]]; do sleep 0.1; done
}
recorded() { # FILE
  sleep 0.5
  kill -INT $dumper
  wait $dumper || true
  # With the messages of VRRP alone.
  tshark -r "$work/$1" -F pcap -w "$here/$1" -Y 'vrrp || ip.proto == 112'
}
keepalived_conf() { # VERSION PRIORITY INTERVAL VIRTUAL_ADDRESSES [MORE]
  cat <<CONF
global_defs {
  vrrp_version $1
  vrrp_garp_master_repeat 1
}
vrrp_instance v {
  interface eth0
  virtual_router_id 51
  priority $2
  advert_int $3
  state BACKUP
  virtual_ipaddress { $4 }
  ${5-}
}
CONF
}
declare -a daemon
start() { # N VERSION PRIORITY INTERVAL VIRTUAL_ADDRESSES [MORE]: keepalived in namespace rN
  keepalived_conf "${@:2}" >"$work/$1.conf"
  ip netns exec r$1 keepalived -n -P -l -D -f "$work/$1.conf" -p "$work/$1.pid" -r "$work/$1.vrrp" >"$work/$1.log" 2>&1 &
  daemon[$1]=$!
}
stop() { kill -TERM ${daemon[$1]} && wait ${daemon[$1]} || true; }
murder() {
  kill -KILL ${daemon[$1]} "$(cat "$work/$1.vrrp")"
  wait ${daemon[$1]} 2>/dev/null || true
  ip -n r$1 addr del 203.0.113.1/32 dev eth0
}

# r1 is preferred; it resigns, comes back, and dies.
record keepalived-v3-ipv4.pcap
start 2 3 100 0.1 203.0.113.1
sleep 1
start 1 3 150 0.1 203.0.113.1
sleep 1.5; stop 1; sleep 0.6
start 1 3 150 0.1 203.0.113.1
sleep 1.5; murder 1; sleep 1; stop 2
recorded keepalived-v3-ipv4.pcap

record keepalived-v3-ipv6.pcap
start 1 3 150 0.2 'fe80::51 2001:db8::51'
start 2 3 100 0.2 'fe80::51 2001:db8::51'
sleep 2; stop 1; sleep 1; stop 2
recorded keepalived-v3-ipv6.pcap

# The ports of the bridge do not reach each other for a while, but the bridge hears both.
record keepalived-v3-partition.pcap
start 1 3 150 0.1 203.0.113.1
start 2 3 100 0.1 203.0.113.1
sleep 1
for port in p1 p2; do bridge link set dev $port isolated on; done
sleep 1.5
for port in p1 p2; do bridge link set dev $port isolated off; done
sleep 1; stop 1; stop 2
recorded keepalived-v3-partition.pcap

# Passwords that differ.
record keepalived-v2-text.pcap
start 1 2 150 1 203.0.113.1 'authentication { auth_type PASS
 auth_pass sesame }'
start 2 2 100 1 203.0.113.1 'authentication { auth_type PASS
 auth_pass simsim }'
sleep 8; stop 1; stop 2
recorded keepalived-v2-text.pcap

record keepalived-v2-ah.pcap
start 1 2 150 1 203.0.113.1 'authentication { auth_type AH
 auth_pass sesame }'
sleep 5.5; stop 1
recorded keepalived-v2-ah.pcap

# Intervals that differ: VRRPv2 routers drop what differs.
record keepalived-v2-intervals.pcap
start 1 2 150 1 203.0.113.1
start 2 2 100 2 203.0.113.1
sleep 14; stop 1; stop 2
recorded keepalived-v2-intervals.pcap

# Two groups with one identifier.
record keepalived-v3-clash.pcap
start 1 3 150 0.1 203.0.113.1
sleep 1
start 2 3 100 0.1 203.0.113.2
sleep 2; stop 1; stop 2
recorded keepalived-v3-clash.pcap

# Version 2 at the one, version 3 at the other.
record keepalived-versions.pcap
start 1 2 150 1 203.0.113.1
start 2 3 100 1 203.0.113.1
sleep 8; stop 1; stop 2
recorded keepalived-versions.pcap

record keepalived-v3-unicast-ipv6.pcap
ll() { ip -n r$1 -6 -o addr show dev eth0 scope link | awk '{sub("/.*", "", $4); print $4}'; }
start 1 3 150 0.2 'fe80::51 2001:db8::51' "unicast_peer { $(ll 2) }"
sleep 2; stop 1
recorded keepalived-v3-unicast-ipv6.pcap

# FRR, with the macvlan devices that it needs.
frr() { # N PRIORITY
  local ns=r$1
  ip -n $ns link add vrrp4-51 link eth0 type macvlan mode bridge
  ip -n $ns link set vrrp4-51 address 00:00:5e:00:01:33
  ip -n $ns addr add 203.0.113.1/32 dev vrrp4-51
  ip -n $ns link set vrrp4-51 up
  ip -n $ns link add vrrp6-51 link eth0 type macvlan mode bridge
  ip -n $ns link set vrrp6-51 address 00:00:5e:00:02:33
  ip -n $ns addr add 2001:db8::51/128 dev vrrp6-51 nodad
  ip -n $ns link set vrrp6-51 up
  mkdir -p "$work/frr$1"
  chown frr:frr "$work/frr$1"
  cat >"$work/frr$1/vrrpd.conf" <<CONF
interface eth0
 vrrp 51 version 3
 vrrp 51 priority $2
 vrrp 51 advertisement-interval 200
 vrrp 51 ip 203.0.113.1
 vrrp 51 ipv6 2001:db8::51
CONF
  ip netns exec $ns /usr/lib/frr/zebra -N r$1 -d -z "$work/frr$1/zserv" -i "$work/frr$1/zebra.pid" --vty_socket "$work/frr$1" -P 0 -f /dev/null
  ip netns exec $ns /usr/lib/frr/vrrpd -N r$1 -d -z "$work/frr$1/zserv" -i "$work/frr$1/vrrpd.pid" --vty_socket "$work/frr$1" -P 0 -f "$work/frr$1/vrrpd.conf"
}
record frr-v3.pcap
frr 1 150
sleep 2
frr 2 100
sleep 2
kill -TERM "$(cat "$work/frr1/vrrpd.pid")"
sleep 2
kill -TERM "$(cat "$work/frr2/vrrpd.pid")"
recorded frr-v3.pcap
for n in 1 2; do kill -TERM "$(cat "$work/frr$n/zebra.pid")"; done

/usr/bin/python3 "$here/odd.py" "$here/odd.pcap"
