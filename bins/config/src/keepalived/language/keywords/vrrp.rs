//! Instances, groups of them, and what they track.

use super::{Keyword, Within, block, command, entries, line};

const BFD: &str = "would track a neighbour that is watched by BFD";
const OBSOLETE: &str = "does nothing in keepalived 2.2.7 either";

pub(super) const SYNC_GROUP: &[Keyword] = &[
    entries("group").first(),
    entries("track_interface"),
    entries("track_script"),
    entries("track_file"),
    entries("track_process"),
    entries("track_bfd").not(BFD),
    command("notify_backup").first(),
    command("notify_master").first(),
    command("notify_fault").first(),
    command("notify_stop").first(),
    command("notify").first(),
    line("smtp_alert"),
    line("global_tracking"),
    line("sync_group_tracking_weight"),
    line("notify_priority_changes"),
];

pub(super) const GARP_GROUP: &[Keyword] =
    &[line("garp_interval"), line("gna_interval"), line("interface").all(), entries("interfaces")];

pub(super) const INSTANCE: &[Keyword] = &[
    line("use_vmac"),
    line("use_vmac_addr").not("would send the adverts of addresses on a VMAC's base from VMACs of their own"),
    line("vmac_xmit_base"),
    line("use_ipvlan").first().not("would send from an ipvlan interface"),
    entries("unicast_peer"),
    line("unicast_fault_no_peer"),
    line("check_unicast_src"),
    line("old_unicast_checksum").not("would send the checksums of keepalived before 1.3.7"),
    line("native_ipv6").not(OBSOLETE),
    line("state").first_but("BACKUP"),
    line("interface"),
    line("vrf").not("would put the VMAC into a VRF"),
    line("dont_track_primary"),
    entries("track_interface"),
    entries("track_script"),
    entries("track_file"),
    entries("track_process"),
    entries("track_bfd").not(BFD),
    line("mcast_src_ip"),
    line("unicast_src_ip"),
    line("mcast_dst_ip"),
    line("track_src_ip"),
    line("virtual_router_id"),
    line("unicast_ttl"),
    line("version").first(),
    line("priority"),
    line("advert_int"),
    entries("virtual_ipaddress"),
    entries("virtual_ipaddress_excluded"),
    line("no_virtual_ipaddress"),
    line("promote_secondaries"),
    line("linkbeat_use_polling").not("would ask the interface for its link; the kernel reports it at once"),
    line("v3_checksum_as_v2"),
    entries("virtual_routes"),
    entries("virtual_rules"),
    line("accept"),
    line("no_accept"),
    line("skip_check_adv_addr"),
    line("strict_mode"),
    line("preempt"),
    line("nopreempt"),
    line("preempt_delay"),
    line("debug").not(OBSOLETE),
    command("notify_backup").first(),
    command("notify_master").first(),
    command("notify_fault").first(),
    command("notify_stop").first(),
    command("notify_deleted").first(),
    command("notify").first(),
    command("notify_master_rx_lower_pri").first(),
    line("smtp_alert"),
    line("notify_priority_changes"),
    line("lvs_sync_daemon_interface").first(),
    line("garp_master_delay"),
    line("garp_master_refresh"),
    line("garp_master_repeat"),
    line("garp_master_refresh_repeat"),
    line("garp_lower_prio_delay"),
    line("garp_lower_prio_repeat"),
    line("down_timer_adverts"),
    line("timer_expired_backup"),
    line("thread_timer_expired"),
    line("garp_extra_if"),
    line("vmac_garp_intvl"),
    line("lower_prio_no_advert"),
    line("higher_prio_send_advert"),
    line("owner_ignore_adverts"),
    line("kernel_rx_buf_size").not("would set the size of the receive buffer"),
    block("authentication", Within::Authentication),
    block("auth_hmac", Within::AuthHmac),
];

pub(super) const AUTHENTICATION: &[Keyword] = &[line("auth_type"), line("auth_pass")];

pub(super) const AUTH_HMAC: &[Keyword] =
    &[line("key").all(), line("active_key"), line("time_window"), line("anti_replay"), line("mode")];

pub(super) const SCRIPT: &[Keyword] = &[
    command("script"),
    line("interval"),
    line("timeout"),
    line("weight"),
    line("rise"),
    line("fall"),
    line("user"),
    line("init_fail"),
];

pub(super) const PROCESS: &[Keyword] = &[
    line("process").first(),
    line("param_match"),
    line("weight").first(),
    line("quorum"),
    line("quorum_max"),
    line("delay"),
    line("terminate_delay"),
    line("fork_delay"),
    line("full_command"),
];

pub(super) const TRACK_FILE: &[Keyword] =
    &[line("file").first(), line("weight").first_but("1"), line("init_file")];
