use std::fs;

use lb_config::keepalived::model::Globals;

use super::*;
use crate::{balance, build};

const TEXT: &str = "\
global_defs {
lvs_timeouts tcp 600
lvs_sync_daemon eth1 A
}
vrrp_script chk {
script /bin/true
}
static_ipaddress {
10.0.0.7/24 dev eth0
}
vrrp_instance A {
interface eth0
virtual_router_id 1
track_script {
chk
}
virtual_ipaddress {
10.0.0.1/24
}
}
vrrp_sync_group G {
group {
A
}
}
virtual_server 10.0.0.1 80 {
protocol TCP
lvs_sched rr
lvs_method NAT
real_server 10.0.0.2 80 {
}
}
";

fn loaded(part: Part) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("keepalived.conf");
    fs::write(&config, TEXT).unwrap();
    let (settings, balance) = (build::Settings::default(), balance::Settings::default());
    let options = Options { config, config_id: None, part, settings, strict: false, balance };
    load(&options, None).unwrap().config
}

#[test]
fn a_part_is_what_it_is_in_the_whole_and_nothing_else() {
    let whole = loaded(Part::Whole);
    assert_eq!((whole.instances.len(), whole.groups.len(), whole.scripts.len()), (1, 1, 1));
    assert_eq!((whole.virtual_servers.len(), whole.statics.addresses.len()), (1, 1));
    let instances = loaded(Part::Instances);
    let globals = Globals { lvs_timeouts: LvsTimeouts::default(), ..whole.globals.clone() };
    assert_eq!(instances, Config { virtual_servers: Vec::new(), globals, ..whole.clone() });
    assert!(whole.globals.lvs_sync.is_some() && whole.globals.lvs_timeouts != LvsTimeouts::default());
    let balanced = loaded(Part::VirtualServers);
    let globals = Globals { lvs_sync: None, ..whole.globals };
    let Config { virtual_servers, global_lines, .. } = whole;
    assert_eq!(balanced, Config { globals, virtual_servers, global_lines, ..Config::default() });
}
