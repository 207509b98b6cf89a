//! Messages, letter by letter: they are what people see of a parser.

use std::net::IpAddr;

use lb_config::{
    diagnostic::Colors,
    document::Source,
    ldirectord::{self, Mode},
    names::Resolver,
};
use lb_core::model::{Family, Protocol};

struct NoNames;

impl Resolver for NoNames {
    fn address(&self, _: &str, _: Family) -> Option<IpAddr> {
        None
    }

    fn port(&self, service: &str, _: Protocol) -> Option<u16> {
        (service == "http").then_some(80)
    }
}

fn rendered(text: &str, mode: Mode) -> String {
    let source = Source::new("ldirectord.cf", text);
    let (_, problems) = ldirectord::load(&source, mode, &NoNames);
    let shown: Vec<String> = problems.iter().map(|problem| problem.render(&source, Colors::No)).collect();
    shown.join("\n\n")
}

fn lenient(text: &str) -> String {
    rendered(text, Mode::Lenient)
}

#[test]
fn an_unknown_directive_and_the_nearest_known_one() {
    let shown = lenient("chektimeout = 5\n");
    let expected = r##"
error: unknown directive `chektimeout`
 --> ldirectord.cf:1:1
  |
1 | chektimeout = 5
  | ^^^^^^^^^^^ no directive of this name outside of the sections
  |
  = help: did you mean `checktimeout`?
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_real_server_without_a_forwarding_method() {
    let shown = lenient("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80\n");
    let expected = r##"
error: a real server without a forwarding method
 --> ldirectord.cf:2:9
  |
2 |     real = 192.168.0.1:80
  |            ^^^^^^^^^^^^^^ expected gate, masq or ipip behind the address
  |
  = help: write: real = 192.168.0.1:80 masq for NAT, gate for direct routing, ipip for a tunnel
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn an_address_without_a_port_is_no_firewall_mark() {
    let shown = lenient("virtual = 10.0.0.1\n\treal = 192.168.0.1:80 masq\n");
    let expected = r##"
error: `10.0.0.1` has no port
 --> ldirectord.cf:1:11
  |
1 | virtual = 10.0.0.1
  |           ^^^^^^^^ expected address:port
  |
  = note: ldirectord silently takes this for the firewall mark 10
  = help: write: virtual = 10.0.0.1:80 with your port; port 0 stands for all ports and needs `persistent`
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_forwarding_method_by_its_other_name() {
    let shown = lenient("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 nat\n");
    let expected = r##"
error: `nat` is no forwarding method
 --> ldirectord.cf:2:24
  |
2 |     real = 192.168.0.1:80 nat
  |                           ^^^ expected gate, masq or ipip
  |
  = help: network address translation is called `masq`
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn unknown_words_of_two_lines_are_told_at_once() {
    let shown = lenient(
        "virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 masq\n\tchecktype = negociate\n\tservice = htpp\n",
    );
    let expected = r##"
error: unknown checktype `negociate`
 --> ldirectord.cf:3:14
  |
3 |     checktype = negociate
  |                 ^^^^^^^^^ expected connect, external, external-perl, negotiate, off, on, ping or a number
  |
  = help: did you mean `negotiate`?

error: unknown service `htpp`
 --> ldirectord.cf:4:12
  |
4 |     service = htpp
  |               ^^^^ there is no check for this
  |
  = help: did you mean `http`?
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn yes_and_no_are_the_only_two() {
    let shown = lenient("quiescent = true\n");
    let expected = r##"
error: `quiescent` is neither yes nor no
 --> ldirectord.cf:1:13
  |
1 | quiescent = true
  |             ^^^^ expected `yes` or `no`
  |
  = help: write: quiescent = yes
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_request_without_quotes() {
    let shown = lenient("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 masq\n\trequest = /index.html\n");
    let expected = r##"
error: the value of `request` is not in double quotes
 --> ldirectord.cf:3:12
  |
3 |     request = /index.html
  |               ^^^^^^^^^^^ expected `"` at the beginning and at the end
  |
  = help: write: request = "/index.html"
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_service_that_is_defined_twice_shows_both_places() {
    let shown = lenient(
        "virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 masq\nvirtual = 10.0.0.1:http\n\treal = 192.168.0.1:80 masq\n",
    );
    let expected = r##"
error: tcp:10.0.0.1:80 is defined twice
 --> ldirectord.cf:3:1
  |
3 | virtual = 10.0.0.1:http
  | ^^^^^^^^^^^^^^^^^^^^^^^ the second time
  |
 ::: ldirectord.cf:1:1
  |
1 | virtual = 10.0.0.1:80
  | --------------------- first defined here
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn port_0_without_persistence() {
    let shown = lenient("virtual = 10.0.0.1:0\n\treal = 192.168.0.1 masq\n");
    let expected = r##"
warning: port 0 without `persistent`
 --> ldirectord.cf:1:1
  |
1 | virtual = 10.0.0.1:0
  | ^^^^^^^^^^^^^^^^^^^^ IPVS never schedules such a service
  |
  = help: add, for example: persistent = 600

warning: no `service` to negotiate for tcp:10.0.0.1:0
 --> ldirectord.cf:1:1
  |
1 | virtual = 10.0.0.1:0
  | ^^^^^^^^^^^^^^^^^^^^ every real server is taken for up
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn lines_of_a_section_that_are_not_indented() {
    let shown = lenient("virtual = 10.0.0.1:80\nreal = 192.168.0.1:80 masq\n");
    let expected = r##"
warning: the lines of a section are not indented
 --> ldirectord.cf:2:1
  |
2 | real = 192.168.0.1:80 masq
  | ^^^^ ldirectord wants four blanks or a tab before this
  |
 ::: ldirectord.cf:1:1
  |
1 | virtual = 10.0.0.1:80
  | --------------------- read as a part of this section
  |
  = help: indent the lines that belong to the virtual service
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn typographic_quotes() {
    let shown = lenient("logfile = “local0”\n");
    let expected = r##"
warning: typographic quotes
 --> ldirectord.cf:1:11
  |
1 | logfile = “local0”
  |           ^ read as `"`; ldirectord refuses it
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_misspelt_scheduler_and_a_port_out_of_range() {
    let shown =
        lenient("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 masq\n\tscheduler = wlcc\n\tcheckport = 0\n");
    let expected = r##"
warning: unknown scheduler `wlcc`
 --> ldirectord.cf:3:14
  |
3 |     scheduler = wlcc
  |                 ^^^^ it has to be a module of the kernel
  |
  = help: did you mean `wlc`?

error: `checkport` is out of range
 --> ldirectord.cf:4:14
  |
4 |     checkport = 0
  |                 ^ expected a number from 1 to 65535
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_request_without_its_pattern() {
    let shown = lenient("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 masq 1 \"index.html\"\n");
    let expected = r##"
error: `"index.html"` does not belong here
 --> ldirectord.cf:2:31
  |
2 |     real = 192.168.0.1:80 masq 1 "index.html"
  |                                  ^^^^^^^^^^^^ expected "request", "receive": both, in double quotes, with a comma right behind the first
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_range_that_ends_before_it_begins() {
    let shown = lenient("virtual = 10.0.0.1:80\n\treal = 192.168.0.9->192.168.0.1:80 masq\n");
    let expected = r##"
error: the range ends at 192.168.0.1, before it begins at 192.168.0.9
 --> ldirectord.cf:2:9
  |
2 |     real = 192.168.0.9->192.168.0.1:80 masq
  |            ^^^^^^^^^^^^^^^^^^^^^^^^ expected the lower address first
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_host_that_has_no_address() {
    let shown = lenient("virtual = 10.0.0.1:80\n\treal = web1:80 masq\n");
    let expected = r##"
error: cannot resolve `web1`
 --> ldirectord.cf:2:9
  |
2 |     real = web1:80 masq
  |            ^^^^ expected an IPv4 address or a host name that has one
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_port_that_the_kernel_will_not_use() {
    let shown = lenient("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:8080 gate\n");
    let expected = r##"
warning: port 8080 with gate
 --> ldirectord.cf:2:9
  |
2 |     real = 192.168.0.1:8080 gate
  |            ^^^^^^^^^^^^^^^^^^^^^ the kernel uses the port of the service, 80
  |
  = help: only masq can translate ports
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_directive_that_is_gone() {
    let shown = lenient("timeout = 5\n");
    let expected = r##"
error: `timeout` is no longer a directive
 --> ldirectord.cf:1:1
  |
1 | timeout = 5
  | ^^^^^^^ ldirectord refuses it
  |
  = help: use `checktimeout` and `negotiatetimeout`
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_global_that_is_set_twice() {
    let shown = lenient("checktimeout = 5\nchecktimeout = 6\n");
    let expected = r##"
warning: `checktimeout` is set twice
 --> ldirectord.cf:2:1
  |
2 | checktimeout = 6
  | ^^^^^^^^^^^^^^^^ the last one counts
  |
 ::: ldirectord.cf:1:1
  |
1 | checktimeout = 5
  | ---------------- set here before
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_real_server_of_the_wrong_family() {
    let shown = lenient("virtual6 = [::1]:80\n\treal = 192.168.0.1:80 masq\n");
    let expected = r##"
error: `real` in a section of `virtual6`
 --> ldirectord.cf:2:2
  |
2 |     real = 192.168.0.1:80 masq
  |     ^^^^ expected `real6`
  |
 ::: ldirectord.cf:1:1
  |
1 | virtual6 = [::1]:80
  | ------------------- the section
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
}

#[test]
fn a_long_line_is_cut_and_keeps_its_column() {
    let shown =
        lenient(&format!("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 masq 1 {}\n", "y".repeat(500)));
    assert!(shown.contains("ldirectord.cf:2:31"), "{shown}");
    assert!(shown.contains("real = 192.168.0.1:80 masq 1 yyy") && shown.contains("y…"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() < 300), "{shown}");
}

#[test]
fn one_line_for_editors_has_place_severity_expectation_and_help() {
    let source = Source::new("/etc/ha.d/ldirectord.cf", "quiescent = no\nchektimeout = 5\n");
    let (_, problems) = ldirectord::load(&source, Mode::Lenient, &NoNames);
    let lines: Vec<String> = problems.iter().map(|problem| problem.line(&source)).collect();
    assert_eq!(
        lines,
        [
            "/etc/ha.d/ldirectord.cf:2:1: error: unknown directive `chektimeout` (no directive of this name outside of \
          the sections); help: did you mean `checktimeout`?"
        ]
    );
}

#[test]
fn a_hostile_file_cannot_write_to_the_terminal() {
    let shown = lenient("\x1b[31mvirtual\x07 = x\n");
    assert!(!shown.contains(['\x1b', '\x07']), "{shown:?}");
}

#[test]
fn colours_are_only_there_when_they_are_asked_for() {
    let source = Source::new("f", "x = 1\n");
    let (_, problems) = ldirectord::load(&source, Mode::Lenient, &NoNames);
    assert!(!problems[0].render(&source, Colors::No).contains('\x1b'));
    assert!(problems[0].render(&source, Colors::Yes).contains('\x1b'));
}

#[test]
fn strict_readers_say_what_ldirectord_does_not_like() {
    let shown =
        rendered("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 masq\n\n\tscheduler = wlc\n", Mode::Strict);
    assert!(
        shown.starts_with("error: an indented line outside of a section\n --> ldirectord.cf:4:2\n"),
        "{shown}"
    );
    assert!(shown.contains("a blank line, or any line that is not indented, ends a section"), "{shown}");
}

/// The messages without their places.
fn messages(text: &str) -> Vec<String> {
    lenient(text).lines().filter(|line| line.starts_with(['e', 'w'])).map(str::to_owned).collect()
}

#[test]
fn an_option_of_ipvsadm_in_a_real_server() {
    let shown = lenient("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 gate -w 5 -x9\n\tservice = http\n");
    let expected = r##"
warning: an option of ipvsadm in a real server
 --> ldirectord.cf:2:29
  |
2 |     real = 192.168.0.1:80 gate -w 5 -x9
  |                                ^^^^ ldirectord refuses it
  |
  = help: write: 5

warning: an option of ipvsadm in a real server
 --> ldirectord.cf:2:34
  |
2 |     real = 192.168.0.1:80 gate -w 5 -x9
  |                                     ^^^ ldirectord refuses it
  |
  = help: write: u:9
"##;
    assert_eq!(shown, expected.trim_matches('\n'));
    let text = "virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 gate -w 5 -x 9 -y 3\n";
    let (config, _) = ldirectord::load(&Source::new("a.cf", text), Mode::Lenient, &NoNames);
    let spec = config.unwrap().virtuals[0].reals[0].spec;
    assert_eq!((spec.weight.get(), spec.thresholds.upper, spec.thresholds.lower), (5, 9, 3));
    for wrong in ["-w", "-w x", "-w 5 -w 6", "-w 5 6", "-q 1"] {
        let text = format!("virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 gate {wrong}\n\tservice = http\n");
        assert!(messages(&text).iter().any(|line| line.starts_with("error")), "{wrong}");
    }
    let strict = rendered(text, Mode::Strict);
    assert!(strict.starts_with("error: `-w 5 -x 9 -y 3` does not belong here"), "{strict}");
}

#[test]
fn one_mistake_has_one_message() {
    let section = |lines: &str| format!("virtual = 10.0.0.1:9\n\treal = 192.168.0.1:9 masq\n{lines}");
    assert_eq!(messages(&section("\tservice = htpt\n")), ["error: unknown service `htpt`"]);
    assert_eq!(messages(&section("\tservice = mysql\n\tlogin = \"a\"\n\trequest = \"b\"\n")), [""; 0]);
    assert_eq!(messages(&section("\tchecktype = external-perl\n\tcheckcommand = /x\n")), [""; 0]);
    let all = lenient("virtual = 10.0.0.1:*\n\treal = 192.168.0.1:80 masq\n\tservice = http\n");
    assert!(
        all.contains("write: virtual = 10.0.0.1:80 with your port; port 0 stands for all ports"),
        "{all}"
    );
}
