//! Outside of all blocks, and small blocks there.

use super::{Keyword, Within, block, entries, line};

const ONE_PROCESS: &str = "would say how long child processes may take to end; here is one process";

pub(super) const ROOT: &[Keyword] = &[
    line("linkbeat_use_polling")
        .not("would ask interfaces for their link every second; the kernel reports it at once"),
    line("net_namespace"),
    line("net_namespace_ipvs").not("would keep virtual servers in a network namespace of their own"),
    line("namespace_with_ipsets").not("would use ipsets in a namespace on kernels before 3.13"),
    line("use_pid_dir").not("would keep pid files in /run/keepalived"),
    line("instance").first(),
    line("child_wait_time").not(ONE_PROCESS),
    block("global_defs", Within::GlobalDefs),
    block("track_group", Within::TrackGroup)
        .not("would let instances track static addresses, routes and rules"),
    entries("static_ipaddress"),
    entries("static_routes"),
    entries("static_rules"),
    block("vrrp_sync_group", Within::SyncGroup),
    block("garp_group", Within::GarpGroup),
    entries("linkbeat_interfaces")
        .not("would ask these interfaces for their link; the kernel reports it at once"),
    block("vrrp_instance", Within::Instance),
    block("vrrp_script", Within::Script),
    block("vrrp_track_process", Within::Process),
    entries("interface_up_down_delays"),
    block("track_file", Within::TrackFile),
    block("vrrp_track_file", Within::TrackFile),
    block("SSL", Within::Ssl)
        .not("would be used by SSL_GET; no certificate is shown to servers, and theirs is not verified"),
    entries("virtual_server_group"),
    block("virtual_server", Within::VirtualServer),
    block("bfd_instance", Within::Bfd).not("would watch a neighbour by BFD"),
];

pub(super) const TRACK_GROUP: &[Keyword] = &[entries("group")];

pub(super) const SSL: &[Keyword] = &[line("password"), line("ca"), line("certificate"), line("key")];
