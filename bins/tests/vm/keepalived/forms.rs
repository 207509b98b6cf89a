//! Virtual servers in all forms, to be read in the same way.

/// What a virtual server begins with.
const TCP: &str = "lvs_method NAT\nprotocol TCP";
const UDP: &str = "lvs_method NAT\nprotocol UDP";

const GROUPS: &str = "virtual_server_group plain {
    10.1.0.1 80
    10.1.0.2-4 81
    10.1.0.16/30 82
}
virtual_server_group range {
    10.1.2.1-10.1.2.3 443
}
virtual_server_group six {
    fd00:1::1 80
    fd00:1::2-3 80
    fwmark 101 inet6
}
virtual_server_group ports {
    10.1.3.1
    10.1.3.2 80
}
virtual_server_group marks {
    fwmark 200
    fwmark 201
}
";

/// A configuration without checks, and how many services it has.
pub(super) fn forms() -> (String, usize) {
    let mut text = format!("global_defs {{\n    script_user root\n}}\n{GROUPS}");
    let mut count = 0;
    let mut add = |head: Option<&str>, services: usize, settings: &str, reals: &[&str]| {
        count += services;
        let own = format!("10.0.0.{count} 80");
        text += &format!("virtual_server {} {{\n{settings}\n", head.unwrap_or(&own));
        let reals = if reals.is_empty() { &["192.168.0.1 80:weight 2", "192.168.0.2 80:"] } else { reals };
        for real in reals {
            let (key, settings) =
                real.split_once(':').filter(|_| real.starts_with('1')).unwrap_or((real, ""));
            text += &format!("real_server {key} {{\n{settings}\n}}\n");
        }
        text += "}\n";
    };
    for scheduler in "rr wrr lc wlc lblc lblcr sh mh dh fo ovf sed nq".split(' ') {
        add(None, 1, &format!("lvs_sched {scheduler}\n{TCP}"), &[]);
    }
    for options in
        ["", "sh-port", "sh-fallback", "flag-1\nflag-2", "flag-3", "mh-port", "sh-port\nsh-fallback"]
    {
        add(None, 1, &format!("lvs_sched sh\n{TCP}\n{options}"), &[]);
    }
    for options in ["mh-port", "mh-fallback", "flag-1\nflag-2", "flag-3", "sh-port"] {
        add(None, 1, &format!("lvs_sched mh\n{TCP}\n{options}"), &[]);
    }
    for options in ["flag-1", "sh-port", "ops", "weight 5", "quorum 9\nhysteresis 9"] {
        add(None, 1, &format!("lvs_sched wlc\n{TCP}\n{options}"), &[]);
    }
    for options in ["", "ops", "persistence_engine sip\npersistence_timeout 9", "persistence_engine sip"] {
        add(None, 1, &format!("lvs_sched rr\n{UDP}\n{options}"), &[]);
    }
    for missing in ["", "lvs_sched wrr", "lvs_method DR", "protocol SCTP"] {
        add(None, 1, missing, &[]);
    }
    for persistence in [
        "timeout",
        "timeout 50",
        "timeout 50\npersistence_granularity 255.255.255.0",
        "granularity 255.255.0.0",
        "timeout 7\npersistence_granularity 255.255.255.255",
    ] {
        add(None, 1, &format!("lvs_sched rr\n{TCP}\npersistence_{persistence}"), &[]);
    }
    for method in [
        "DR",
        "TUN",
        "TUN type ipip",
        "TUN type gue port 6080",
        "TUN type gue port 6080 csum",
        "TUN type gue port 6080 remcsum",
        "TUN type gre",
        "TUN type gre csum",
    ] {
        add(None, 1, &format!("lvs_sched rr\nprotocol TCP\nlvs_method {method}"), &[]);
    }
    let tcp = format!("lvs_sched rr\n{TCP}");
    add(
        None,
        1,
        &tcp,
        &["192.168.0.1 8080:lvs_method DR", "192.168.0.1 8081:lvs_method TUN", "192.168.0.3:"],
    );
    add(None, 1, &tcp, &["192.168.0.1 80:uthreshold 100\nlthreshold 50", "192.168.0.2 80:uthreshold 7"]);
    add(None, 1, &tcp, &["192.168.0.1 80:weight 0", "192.168.0.2 80:weight 65535", "192.168.0.1 80:"]);
    for sorry in [
        "",
        "sorry_server_inhibit",
        "sorry_server_inhibit\nsorry_server_lvs_method DR",
        "sorry_server_lvs_method TUN\nalpha",
        "sorry_server_inhibit\ninhibit_on_failure",
    ] {
        add(None, 1, &format!("{tcp}\nsorry_server 192.168.0.9 80\n{sorry}"), &[]);
    }
    add(None, 1, &format!("{tcp}\nsorry_server 192.168.0.9 80"), &["192.168.0.1 80:weight 0"]);
    add(None, 1, &format!("{tcp}\nsorry_server 192.168.0.2 80\nsorry_server_inhibit"), &[]);
    for (head, settings) in [
        ("fwmark 1", &*tcp),
        ("fwmark 2", "lvs_sched rr\nlvs_method NAT\nops"),
        ("fwmark 3", "lvs_sched rr\nlvs_method DR"),
        ("10.2.0.1 0", &format!("{tcp}\npersistence_timeout 100")),
        ("10.2.0.2", &tcp),
    ] {
        add(Some(head), 1, settings, &[]);
    }
    let six = ["fd01::1 80", "fd01::2 8080"];
    add(Some("fwmark 4"), 1, &format!("{tcp}\nip_family inet6"), &six);
    add(Some("fwmark 5"), 1, "lvs_sched rr\nlvs_method TUN", &six);
    add(Some("fd00::1 80"), 1, &format!("{tcp}\npersistence_timeout 60\npersistence_granularity 64"), &six);
    add(Some("fd00::2 80"), 1, &format!("{tcp}\npersistence_timeout\npersistence_granularity 128"), &six);
    add(
        Some("fd00::3 80"),
        1,
        "lvs_sched sh\nlvs_method TUN\nprotocol TCP",
        &["192.168.0.1 80:", "fd01::1 80"],
    );
    add(
        Some("10.2.0.3 80"),
        1,
        "lvs_sched sh\nlvs_method TUN\nprotocol TCP",
        &["192.168.0.1 80:", "fd01::1 80"],
    );
    add(Some("group plain"), 8, "lvs_sched rr\nlvs_method DR\nprotocol TCP", &[]);
    add(Some("group range"), 3, &format!("lvs_sched rr\n{UDP}"), &[]);
    add(Some("group range"), 3, &tcp, &[]);
    add(Some("group six"), 4, &tcp, &six);
    add(
        Some("group ports"),
        2,
        "lvs_sched rr\nlvs_method DR\nprotocol TCP\npersistence_timeout 60",
        &["192.168.0.1:"],
    );
    add(Some("group marks"), 2, &tcp, &["192.168.0.1 8080:"]);
    (text, count)
}
