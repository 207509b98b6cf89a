//! Usage and version.

/// What `ipvsadm -v` prints but for the end, so that a script which looks for a version finds the one whose command line
/// this is.
pub(super) const VERSION: &str = concat!("ipvsadm v1.31 (lbctl ", env!("CARGO_PKG_VERSION"), ")\n");

/// What `ipvsadm-save` prints when it is asked for anything but `-n`.
pub(super) const SAVE: &str = "ipvsadm-save [-n]: prints the table as commands, with -n without names";

/// The same of `ipvsadm-restore`.
pub(super) const RESTORE: &str = "ipvsadm-restore: empties the table and takes commands from standard input";

/// What `lbctl ipvs` has beside that.
pub(super) const WORDS: &str = "
Words, beside those of the long options without their dashes (`list -n`):
  save                              prints the table without loss, in a form that ipvsadm reads too
  restore [--clear] [FILE]          reads the whole of it before anything is changed
  sysctl [NAME...]                  what becomes of connections when servers go: settings, explained
  sysctl NAME=VALUE...              sets them
";

pub(super) const USAGE: &str = "\
Services:
  -A, --add-service SERVICE         adds a virtual service
  -E, --edit-service SERVICE        sets scheduler and persistence of one that exists
  -D, --delete-service SERVICE      deletes it with its servers
  -C, --clear                       deletes all
      SERVICE is -t, --tcp-service | -u, --udp-service | --sctp-service HOST[:PORT]
              or -f, --fwmark-service MARK [-6, --ipv6]
  -s, --scheduler NAME              rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh; wlc if none is named
  -b, --sched-flags FLAG[,FLAG]     sh-fallback sh-port mh-fallback mh-port flag-1 flag-2 flag-3
  -p, --persistent [SECONDS]        a client keeps its server, for 360 s if none are named
  -M, --netmask MASK                clients of one network share it; IPv6: a prefix length
      --pe NAME                     what clients are told apart by: sip
  -o, --ops                         each datagram by itself

Real servers:
  -a, --add-server SERVICE -r, --real-server HOST[:PORT]
  -e, --edit-server SERVICE -r HOST[:PORT]
  -d, --delete-server SERVICE -r HOST[:PORT]
  -g, --gatewaying | -i, --ipip | -m, --masquerading
                                    direct routing, the default; tunnel; NAT
  -w, --weight NUMBER               share of new connections, 1 if none is given; 0 for none
  -x, --u-threshold NUMBER          most connections
  -y, --l-threshold NUMBER          when connections are let in again
      --tun-type ipip|gue|gre       the tunnel, and for those that have them:
      --tun-port PORT, --tun-nocsum, --tun-csum, --tun-remcsum

Table:
  -L, -l, --list [SERVICE]          lists services and servers, and with
  -c, --connection                  connections
      --timeout, --daemon           timeouts, sync daemons
      --stats, --rate, --thresholds, --persistent-conn, --tun-info
                                    other columns
      --exact                       large numbers in full
      --nosort                      in the kernel's order
  -n, --numeric                     without names
  -Z, --zero [SERVICE]              sets statistics to 0
  -S, --save [-n]                   prints commands that make the table
  -R, --restore                     reads them from standard input

Kernel:
      --set TCP TCPFIN UDP          timeouts of connections in seconds; 0 leaves one as it is
      --start-daemon master|backup, --stop-daemon master|backup
                                    copies connections to a peer, with
      --mcast-interface NAME, --mcast-group ADDRESS, --mcast-port PORT, --mcast-ttl TTL
      --syncid NUMBER, --sync-maxlen BYTES
  -h, --help
  -v, --version
";
