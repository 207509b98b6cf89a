//! Blocks with errors: what is left out at a start, what stays at a reload, and what follows for the others.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// What a text means in place of what is in force.
fn beside(before: &Config, text: &str) -> Resolved {
    let path = Path::new("/etc/keepalived/keepalived.conf");
    let (document, _, mut problems) = read_text(text, path, &Settings::default(), &mut Memory::default());
    resolve_beside(&document, Basis { before, admit: &mut |_| Ok(()) }, &mut problems)
}

fn at_start(text: &str) -> Resolved {
    beside(&Config::default(), text)
}

/// `vrrp_instance A left out`, `vrrp_instance A kept`.
fn outcomes(resolved: &Resolved) -> Vec<String> {
    let outcome = |fault: &Fault| match fault.outcome {
        Outcome::Kept => format!("{} kept", fault.block),
        Outcome::LeftOut => format!("{} left out", fault.block),
    };
    resolved.faults.iter().map(outcome).collect()
}

fn vrrp(name: &str, id: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {id}\nvirtual_ipaddress {{\n10.0.0.{id}\n}}\n\
         {lines}\n}}\n"
    )
}

fn names(config: &Config) -> Vec<&str> {
    config.instances.iter().map(|instance| instance.name.as_str()).collect()
}

fn balance(address: &str, lines: &str) -> String {
    format!("virtual_server {address} 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{lines}\n}}\n")
}

fn real(address: &str, lines: &str) -> String {
    format!("real_server {address} 80 {{\n{lines}\n}}")
}

#[test]
fn a_block_with_an_error_is_left_out_at_a_start_and_the_others_run() {
    let good = vrrp("B", 2, "") + &balance("10.0.0.9", &real("192.168.0.1", ""));
    let whole = at_start(&good);
    for (block, title) in [
        (vrrp("A", 1, "priority"), "vrrp_instance A"),
        (vrrp("A", 1, "").replace("interface eth0\n", ""), "vrrp_instance A"),
        (vrrp("A", 1, "").replace("router_id 1", "router_id 999"), "vrrp_instance A"),
        (vrrp("A", 2, "").replace("10.0.0.2", "10.0.0.1"), "vrrp_instance B"),
        (vrrp("", 1, ""), "vrrp_instance"),
        ("vrrp_instance A\n".to_owned(), "vrrp_instance A"),
        ("vrrp_sync_group G {\ngroup {\nB\n}\nnotify_master\n}\n".to_owned(), "vrrp_sync_group G"),
        ("vrrp_script s {\ninterval 3\n}\n".to_owned(), "vrrp_script s"),
        ("vrrp_script {\nscript /x\n}\n".to_owned(), "vrrp_script"),
        ("vrrp_track_process p {\nquorum 2\n}\n".to_owned(), "vrrp_track_process p"),
        ("track_file f {\nweight 2\n}\n".to_owned(), "track_file f"),
        ("static_routes {\n10.0.0.0/8 dev\n}\n".to_owned(), "static_routes"),
        ("static_rules\n".to_owned(), "static_rules"),
        ("global_defs {\nsmtp_server\n}\n".to_owned(), "`smtp_server` of global_defs"),
        (balance("10.0.0.300", ""), "virtual_server 10.0.0.300 80"),
        (balance("10.0.0.9", ""), "virtual_server 10.0.0.9 80"),
        (balance("10.0.0.8", "delay_loop"), "virtual_server 10.0.0.8 80"),
        ("virtual_server_group g {\nfwmark\n}\n".to_owned(), "virtual_server_group g"),
    ] {
        // The second of two equal ones is the one that is wrong.
        let text = if title.ends_with(" B") || block == balance("10.0.0.9", "") {
            good.clone() + &block
        } else {
            block.clone() + &good
        };
        let title = if title == "vrrp_instance B" { "vrrp_instance A" } else { title };
        let resolved = at_start(&text);
        assert_eq!(outcomes(&resolved), [format!("{title} left out")], "{text}");
        assert_eq!(resolved.config.instances, whole.config.instances, "{text}");
        assert_eq!(resolved.config.virtual_servers, whole.config.virtual_servers, "{text}");
        assert_eq!(resolved.config.groups, [], "{text}");
        assert!(resolved.faults[0].error.as_ref().is_some_and(Diagnostic::is_error));
    }
}

#[test]
fn a_block_with_an_error_stays_as_it_was_at_a_reload_and_the_others_change() {
    let text = |priority: &str, weight: &str, script: &str, group: &str| {
        format!(
            "vrrp_script s {{\n{script}\n}}\n{}{}vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\n{group}\n}}\n{}",
            vrrp("A", 1, &format!("{priority}\ntrack_script {{\ns\n}}")),
            vrrp("B", 2, ""),
            balance("10.0.0.9", &real("192.168.0.1", weight)),
        )
    };
    let before = at_start(&text("priority 150", "weight 3", "script /x", "notify /n"));
    assert_eq!(outcomes(&before), [""; 0]);
    let before = before.config;
    let after = beside(&before, &text("priority", "weight 3", "script /x", "notify /n"));
    assert_eq!(outcomes(&after), ["vrrp_instance A kept"]);
    assert_eq!(after.config.instances, before.instances);
    let after = beside(&before, &text("priority 99", "weight", "script /x", "notify /n"));
    assert_eq!(outcomes(&after), ["real_server 192.168.0.1 80 of virtual_server 10.0.0.9 80 kept"]);
    assert_eq!(after.config.virtual_servers, before.virtual_servers);
    assert_eq!(after.config.instances[0].priority.get(), 99);
    let after = beside(&before, &text("priority 99", "weight 3", "", "notify /n"));
    assert_eq!(outcomes(&after), ["vrrp_script s kept"]);
    assert_eq!(after.config.scripts, before.scripts);
    assert_eq!(after.config.instances[0].tracks, before.instances[0].tracks);
    let after = beside(&before, &text("priority 99", "weight 3", "script /x", "notify"));
    assert_eq!(outcomes(&after), ["vrrp_sync_group G kept"]);
    assert_eq!(after.config.groups, before.groups);
}

#[test]
fn what_has_no_name_stays_as_a_whole() {
    let text = |route: &str, smtp: &str| {
        format!("global_defs {{\nsmtp_server {smtp}\nrouter_id r\n}}\nstatic_routes {{\n{route}\n}}\n")
            + &vrrp("A", 1, "")
    };
    let before = at_start(&text("10.1.0.0/16 dev eth0", "192.0.2.25 26")).config;
    let after = beside(&before, &text("10.1.0.0/16 dev", "").replace("router_id r", "router_id q"));
    assert_eq!(outcomes(&after), ["`smtp_server` of global_defs kept", "static_routes kept"]);
    assert_eq!(after.config.statics, before.statics);
    assert_eq!(after.config.globals.mail, before.globals.mail);
    assert_eq!(after.config.globals.router_id.as_deref(), Some("q"));
    // And so again, when that is not put right.
    let again = beside(&after.config, &text("10.1.0.0/16 dev", ""));
    assert_eq!(again.config.globals.mail, before.globals.mail);
}

#[test]
fn what_refers_to_a_block_that_is_left_out_is_read_as_without_it() {
    let track = "track_script {\ns\nt\n}\ntrack_process {\np\n}\ntrack_file {\nf\n}";
    let text =
        "vrrp_script s {\n}\nvrrp_script t {\nscript /x\n}\nvrrp_track_process p {\n}\ntrack_file f {\n}\n"
            .to_owned()
            + &vrrp("A", 1, track);
    let resolved = at_start(&text);
    assert_eq!(
        outcomes(&resolved),
        ["vrrp_script s left out", "vrrp_track_process p left out", "track_file f left out"]
    );
    let tracks = &resolved.config.instances[0].tracks;
    let tracked: Vec<&str> = tracks.scripts.iter().map(|tracked| tracked.name.as_str()).collect();
    assert_eq!((tracked, tracks.processes.len(), tracks.files.len()), (vec!["t"], 0, 0));
    // A virtual server whose group is not there is left out, as with keepalived.
    let group = "virtual_server_group g {\nfwmark\n}\nvirtual_server group g {\nprotocol TCP\n}\n";
    let resolved = at_start(&(group.to_owned() + &vrrp("A", 1, "")));
    assert_eq!(outcomes(&resolved), ["virtual_server_group g left out", "virtual_server group g left out"]);
    // At a reload it has the group that was there.
    let right = group.replace("fwmark\n", "10.0.0.1 80\n");
    let before = at_start(&right).config;
    let changed = group.replace("protocol TCP", "protocol TCP\nlvs_sched wrr\nquorum_up /x");
    let after = beside(&before, &changed);
    assert_eq!(outcomes(&after), ["virtual_server_group g kept"]);
    assert_eq!(after.config.virtual_servers[0].services, before.virtual_servers[0].services);
    assert!(after.config.virtual_servers[0].quorum_up.is_some());
}

#[test]
fn a_group_with_a_member_that_is_left_out_lacks_it_unless_the_group_worked_before() {
    let group = |members: &str| format!("vrrp_sync_group G {{\ngroup {{\n{members}\n}}\n}}\n");
    let (a, b, wrong) = (vrrp("A", 1, ""), vrrp("B", 2, ""), vrrp("B", 2, "priority"));
    let start = at_start(&(a.clone() + &wrong + &group("A\nB")));
    assert_eq!(outcomes(&start), ["vrrp_instance B left out"]);
    assert_eq!(
        (&start.config.groups[0].members, &start.config.groups[0].missing),
        (&vec!["A".to_owned()], &vec!["B".to_owned()])
    );
    // It goes on so until that is put right.
    let again = beside(&start.config, &(a.clone() + &wrong + &group("A\nB")));
    assert_eq!(again.config.groups, start.config.groups);
    let right = beside(&start.config, &(a.clone() + &b + &group("A\nB"))).config;
    assert_eq!((right.groups[0].members.len(), right.groups[0].missing.len()), (2, 0));
    // What is kept is a member.
    let kept = beside(&right, &(a.clone() + &wrong + &group("A\nB")));
    assert_eq!(outcomes(&kept), ["vrrp_instance B kept"]);
    assert_eq!(kept.config.groups, right.groups);
    // A new member with an error takes nothing down.
    let more = beside(&right, &(a + &b + &vrrp("C", 3, "priority") + &group("A\nB\nC")));
    assert_eq!(outcomes(&more), ["vrrp_instance C left out"]);
    assert_eq!(more.config.groups, right.groups);
    // One that is not in the file at all is ignored, as with keepalived.
    let (config, problems) = load(&(vrrp("A", 1, "") + &vrrp("B", 2, "") + &group("A\nB\nnobody")));
    assert_eq!((config.groups[0].missing.len(), problems.len()), (0, 1), "{problems:#?}");
}

#[test]
fn what_is_right_goes_before_what_is_kept() {
    // Another instance is now the same virtual router.
    let before = at_start(&(vrrp("A", 1, "") + &vrrp("B", 2, ""))).config;
    let after =
        beside(&before, &(vrrp("A", 1, "priority") + &vrrp("B", 1, "").replace("10.0.0.1", "10.0.0.2")));
    assert_eq!(outcomes(&after), ["vrrp_instance A left out"]);
    assert_eq!(names(&after.config), ["B"]);
    // It is kept in its place of the file, and stays when there are two of its name.
    let after = beside(&before, &(vrrp("A", 1, "priority") + &vrrp("B", 2, "")));
    assert_eq!(names(&after.config), ["A", "B"]);
    let twice = beside(&before, &(vrrp("A", 1, "priority 7") + &vrrp("A", 3, "") + &vrrp("B", 2, "")));
    assert_eq!(outcomes(&twice), ["vrrp_instance A left out"]);
    assert_eq!((names(&twice.config), twice.config.instances[0].priority.get()), (vec!["A", "B"], 7));
    // Another virtual server has its service now.
    let group = "virtual_server_group g {\n10.0.0.1 80\n}\n".to_owned();
    let of_group = "virtual_server group g {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\nDELAY\n}\n";
    let before = at_start(&(group.clone() + &of_group.replace("DELAY\n", ""))).config;
    let text = group + &of_group.replace("DELAY", "delay_loop") + &balance("10.0.0.1", "");
    let after = beside(&before, &text);
    assert_eq!(outcomes(&after), ["virtual_server group g left out"]);
    assert_eq!(after.config.virtual_servers.len(), 1);
}

#[test]
fn what_is_kept_tracks_what_there_still_is() {
    let track = "track_script {\ns\nt\n}";
    let scripts = "vrrp_script s {\nscript /x\n}\nvrrp_script t {\nscript /y\n}\n";
    let before = at_start(&(scripts.to_owned() + &vrrp("A", 1, track))).config;
    let text = "vrrp_script t {\nscript /z\n}\n".to_owned() + &vrrp("A", 1, &format!("priority\n{track}"));
    let after = beside(&before, &text);
    let tracked: Vec<&str> =
        after.config.instances[0].tracks.scripts.iter().map(|tracked| tracked.name.as_str()).collect();
    assert_eq!((outcomes(&after), tracked), (vec!["vrrp_instance A kept".to_owned()], vec!["t"]));
}

#[test]
fn a_real_server_without_a_readable_address_may_be_any_of_those_that_were_there() {
    let with = |first: &str, lines: &str| {
        balance("10.0.0.9", &format!("{lines}\n{first}\n{}", real("192.168.0.2", "")))
    };
    let wrong = real("192.168.0.300", "");
    let start = at_start(&with(&wrong, ""));
    assert_eq!(outcomes(&start), ["real_server 192.168.0.300 80 of virtual_server 10.0.0.9 80 left out"]);
    assert_eq!(start.config.virtual_servers[0].reals.len(), 1);
    let before = at_start(&with(&real("192.168.0.1", ""), "")).config;
    let after = beside(&before, &with(&wrong, "quorum 2"));
    assert_eq!(outcomes(&after), ["virtual_server 10.0.0.9 80 kept"]);
    assert_eq!(after.config.virtual_servers, before.virtual_servers);
}

#[test]
fn what_can_not_be_run_is_an_error_of_its_instance() {
    let path = Path::new("k.conf");
    let text = vrrp("A", 1, "") + &vrrp("B", 2, "");
    let (document, _, mut problems) = read_text(&text, path, &Settings::default(), &mut Memory::default());
    let mut admit = |instance: &mut Instance| match instance.name.as_str() {
        "A" => Err("no key".to_owned()),
        _ => Ok(()),
    };
    let basis = Basis { before: &Config::default(), admit: &mut admit };
    let resolved = resolve_beside(&document, basis, &mut problems);
    assert_eq!(
        (outcomes(&resolved), names(&resolved.config)),
        (vec!["vrrp_instance A left out".to_owned()], vec!["B"])
    );
    assert_eq!(resolved.faults[0].error.as_ref().unwrap().message, "no key");
}

/// A file of up to five instances, each of which may be wrong.
fn file() -> impl Strategy<Value = Vec<Option<(u8, bool)>>> {
    prop::collection::vec(prop::option::of((1..=254_u8, prop::bool::weighted(0.3))), 5)
}

fn text_of(file: &[Option<(u8, bool)>]) -> String {
    let mut text = String::new();
    for (at, instance) in file.iter().enumerate() {
        let Some((priority, wrong)) = instance else { continue };
        let id = u8::try_from(at).unwrap() + 1;
        let priority = if *wrong { "priority".to_owned() } else { format!("priority {priority}") };
        let _ = write!(text, "{}", vrrp(&format!("I{at}"), id, &priority));
    }
    text
}

proptest! {
    #[test]
    fn each_block_counts_by_itself(files in prop::collection::vec(file(), 1..6)) {
        let mut config = Config::default();
        let mut expected = [None; 5];
        for file in files {
            let resolved = beside(&config, &text_of(&file));
            for (expected, instance) in expected.iter_mut().zip(&file) {
                *expected = match instance {
                    None => None,
                    Some((_, true)) => *expected,
                    Some((priority, false)) => Some(*priority),
                };
            }
            let found = |at: usize| {
                let name = format!("I{at}");
                resolved.config.instances.iter().find(|one| one.name == name).map(|one| one.priority.get())
            };
            let found: Vec<_> = (0..5).map(found).collect();
            prop_assert_eq!(&found[..], &expected[..]);
            let wrong = file.iter().flatten().filter(|(_, wrong)| *wrong).count();
            prop_assert_eq!(resolved.faults.len(), wrong);
            let kept = resolved.faults.iter().filter(|fault| fault.outcome == Outcome::Kept).count();
            let before = config.instances.iter().filter(|one| {
                let at: usize = one.name[1..].parse().unwrap();
                file[at].is_some_and(|(_, wrong)| wrong)
            });
            prop_assert_eq!(kept, before.count());
            config = resolved.config;
        }
    }
}
