//! What files mean: the model that comes out.

use std::{net::IpAddr, path::PathBuf};

use lb_config::{
    diagnostic::{Diagnostic, Severity},
    document::Source,
    ldirectord::{self, CheckService, CheckType, Config, LogTarget, Mode, Seconds},
    names::Resolver,
};
use lb_core::model::{Family, Forwarding, Protocol, SchedulerKind};

struct Names;

impl Resolver for Names {
    fn address(&self, name: &str, family: Family) -> Option<IpAddr> {
        match (name, family) {
            ("www.example.org", Family::V4) => Some([192, 0, 2, 80].into()),
            ("six.example.org", Family::V6) => "2001:db8::80".parse().ok(),
            _ => None,
        }
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        match (service, protocol) {
            ("http", Protocol::Tcp) => Some(80),
            ("domain", _) => Some(53),
            ("ntp", Protocol::Udp) => Some(123),
            _ => None,
        }
    }
}

fn load(text: &str, mode: Mode) -> (Option<Config>, Vec<String>) {
    let source = Source::new("f.cf", text);
    let (config, problems) = ldirectord::load(&source, mode, &Names);
    (config, problems.iter().map(|problem| problem.line(&source)).collect())
}

/// The configuration of a file that strict readers take without an error.
fn strict(text: &str) -> Config {
    let (config, problems) = load(text, Mode::Strict);
    config.unwrap_or_else(|| panic!("{problems:#?}"))
}

fn article() -> Source {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/configs/ha.d/ldirectord.cf");
    Source::read(&path).expect("the example configuration")
}

#[test]
fn a_configuration_pasted_from_a_web_page_loads_as_it_stands() {
    let source = article();
    assert!(source.text().contains("logfile=”local0″"), "the typographic quotes are gone");
    let (config, problems) = ldirectord::load(&source, Mode::Lenient, &Names);
    let lines: Vec<String> = problems.iter().map(|problem| problem.line(&source)).collect();
    let config = config.unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!(config.globals.log, LogTarget::Syslog("local0".into()));
    assert_eq!(config.virtuals.len(), 3);
    for (service, (key, first)) in
        config.virtuals.iter().zip([("tcp:10.0.0.1:0", 1), ("tcp:10.0.0.3:0", 4), ("tcp:10.0.0.5:0", 7)])
    {
        assert_eq!(service.key.to_string(), key);
        assert_eq!(service.spec.scheduler, SchedulerKind::WeightedLeastConnection);
        assert_eq!(service.spec.persistence.as_ref().unwrap().timeout.get(), 3600);
        assert_eq!((service.check.kind, service.check.service), (CheckType::Negotiate, CheckService::Http));
        assert_eq!(service.check.negotiate_timeout, Seconds::new(20));
        assert!(!service.quiescent);
        let reals: Vec<String> = service.reals.iter().map(|real| real.key.to_string()).collect();
        let expected: Vec<String> = (first..first + 3).map(|host| format!("192.168.0.{host}:0")).collect();
        assert_eq!(reals, expected);
        assert!(service.reals.iter().all(|real| real.spec.forwarding == Forwarding::Masquerade));
        assert_eq!(service.check_port(&service.reals[0]), Some(80));
    }
    // One warning for each liberty: quotes three times, unindented sections three times, globals that are repeated.
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(count("typographic quotes"), 3, "{lines:#?}");
    assert_eq!(count("the lines of a section are not indented"), 3);
    assert_eq!(count("is set twice, with the same value"), 4);
    assert_eq!(lines.len(), 10, "{lines:#?}");
    // ldirectord itself refuses the file.
    let (config, problems) = ldirectord::load(&source, Mode::Strict, &Names);
    assert!(config.is_none() && problems.iter().any(Diagnostic::is_error));
}

#[test]
fn defaults_are_those_of_the_program_not_of_its_manual() {
    let config = strict("virtual=10.0.0.1:80\n\treal=10.0.0.2 gate\n");
    let service = &config.virtuals[0];
    assert!(!service.quiescent, "the manual says yes");
    assert!(service.clean_stop);
    assert_eq!(service.spec.scheduler, SchedulerKind::WeightedRoundRobin);
    assert_eq!(service.check.service, CheckService::Http);
    assert_eq!((service.check.check_timeout.get(), service.check.negotiate_timeout.get()), (5, 30));
    assert_eq!((service.check.interval.get(), service.check.failures, service.check.attempts), (10, 1, 1));
    assert_eq!(service.reals[0].spec.weight.get(), 1);
    assert_eq!(config.globals, ldirectord::Globals::default());
}

#[test]
fn timeouts_stand_in_for_each_other_the_section_before_the_globals() {
    for (globals, section, expected) in [
        ("", "", (5, 30)),
        ("checktimeout=7\n", "", (7, 7)),
        ("negotiatetimeout=8\n", "", (8, 8)),
        ("checktimeout=7\nnegotiatetimeout=8\n", "", (7, 8)),
        ("checktimeout=7\nnegotiatetimeout=8\n", "\tchecktimeout=3\n", (3, 3)),
        ("checktimeout=7\nnegotiatetimeout=8\n", "\tnegotiatetimeout=4\n", (4, 4)),
        ("checktimeout=7\n", "\tchecktimeout=3\n\tnegotiatetimeout=4\n", (3, 4)),
    ] {
        let config = strict(&format!("{globals}virtual=10.0.0.1:80\n\treal=10.0.0.2 gate\n{section}"));
        let check = &config.virtuals[0].check;
        assert_eq!(
            (check.check_timeout.get(), check.negotiate_timeout.get()),
            expected,
            "{globals}{section}"
        );
    }
}

#[test]
fn ports_decide_protocol_and_service() {
    for (port, key, service) in [
        ("53", "udp:10.0.0.1:53", CheckService::Dns),
        ("domain", "udp:10.0.0.1:53", CheckService::Dns),
        ("053", "tcp:10.0.0.1:53", CheckService::Dns),
        ("443", "tcp:10.0.0.1:443", CheckService::Https),
        ("3128", "tcp:10.0.0.1:3128", CheckService::HttpProxy),
        ("5060", "tcp:10.0.0.1:5060", CheckService::Sip),
        ("8080", "tcp:10.0.0.1:8080", CheckService::None),
    ] {
        let config = strict(&format!("virtual=10.0.0.1:{port}\n\treal=10.0.0.2 gate\n"));
        assert_eq!(config.virtuals[0].key.to_string(), key);
        assert_eq!(config.virtuals[0].check.service, service);
    }
    let config = strict("virtual=10.0.0.1:ntp\n\treal=10.0.0.2:ntp masq\n\tprotocol=udp\n");
    assert_eq!(config.virtuals[0].key.to_string(), "udp:10.0.0.1:123");
    assert_eq!(config.virtuals[0].reals[0].key.port, 123);
}

#[test]
fn a_real_server_may_say_much() {
    let config = strict(
        "virtual=www.example.org:http\n\treal=10.0.0.8->10.0.0.11:8080 masq 5 \"a\", \"b\" l:10 u:20\n\treal=010.1 ipip u:7\n\
         \treal=10.0.0.20:81 masq \"x\" \"y\" \"z\"\n\treceive=\"OK\"\n",
    );
    let service = &config.virtuals[0];
    assert_eq!(service.key.to_string(), "tcp:192.0.2.80:80");
    let keys: Vec<String> = service.reals.iter().map(|real| real.key.to_string()).collect();
    assert_eq!(
        keys,
        ["10.0.0.8:8080", "10.0.0.9:8080", "10.0.0.10:8080", "10.0.0.11:8080", "8.0.0.1:0", "10.0.0.20:81"]
    );
    let spec = service.reals[3].spec;
    assert_eq!((spec.weight.get(), spec.thresholds.lower, spec.thresholds.upper), (5, 10, 20));
    assert_eq!(
        (service.request(&service.reals[0]), service.receive(&service.reals[0])),
        (Some("a"), Some("b"))
    );
    assert_eq!((service.request(&service.reals[4]), service.receive(&service.reals[4])), (None, Some("OK")));
    // As observed: the last place that can separate the two texts does.
    assert_eq!(service.request(&service.reals[5]), Some("x\" \"y"));
    assert_eq!(service.check_port(&service.reals[4]), Some(80));
    assert_eq!(config.table().server_count(), 6);
}

#[test]
fn sections_take_what_they_do_not_set_from_the_globals() {
    let config = strict(
        "fallback=127.0.0.1\nquiescent=yes\nemailalert=a@example.org\nvirtual=10.0.0.1:80\n\treal=10.0.0.2 gate\n\
         virtual=10.0.0.1:81\n\treal=10.0.0.2 gate\n\tfallback=127.0.0.1:8080 masq\n\tquiescent=no\n\temailalertfreq=60\n\
         virtual=7\n\treal=10.0.0.2 gate\n\tfallback=\nvirtual6=[::1]:80\n\treal6=[::2] gate\ncheckinterval=3\n",
    );
    let [first, second, mark, six] = &config.virtuals[..] else { panic!() };
    let fallback =
        |service: &ldirectord::Virtual| service.fallback.map(|f| format!("{} {}", f.key, f.spec.forwarding));
    assert_eq!(fallback(first).as_deref(), Some("127.0.0.1:80 gate"));
    assert_eq!(fallback(second).as_deref(), Some("127.0.0.1:8080 masq"));
    assert_eq!(fallback(mark), None, "an empty value means none");
    assert_eq!(fallback(six), None, "a fallback of the other family");
    assert_eq!((first.quiescent, second.quiescent), (true, false));
    assert_eq!(second.email.as_ref().unwrap().repeat, Some(Seconds::new(60)));
    assert_eq!(first.email.as_ref().unwrap().repeat, None);
    assert_eq!(six.check.interval, Seconds::new(3), "globals may follow the sections");
}

#[test]
fn strict_marks_are_numbers_at_the_beginning() {
    let (config, problems) = load("virtual=10.0.0.1\n\treal=10.0.0.2 gate\n", Mode::Strict);
    assert_eq!(config.unwrap().virtuals[0].key.to_string(), "fwmark:10", "{problems:?}");
}

#[test]
fn values_have_the_quirks_that_were_measured() {
    let config = strict(
        "checkinterval=-7\nvirtual=10.0.0.1:80\n\treal=10.0.0.2 gate\n\trequest=\"q\"r\" s \"t\" u\n\
         \tvirtualhost=\"a\"b\" junk\n\tchecktype=checktimeout3\n\tschedflags=sh-port, sh-fallback\n\tscheduler=sh\n\
         \tpersistent=-7\n\tnetmask=255.255.255.0\n",
    );
    let service = &config.virtuals[0];
    assert_eq!(service.check.request.as_deref(), Some("q\"r\" s \"t"));
    assert_eq!(service.check.virtual_host.as_deref(), Some("a"));
    assert_eq!(service.check.kind, CheckType::Alternate(3));
    assert_eq!(service.check.interval, Seconds::new(7));
    assert_eq!(service.spec.flags.names(&service.spec.scheduler).collect::<Vec<_>>(), ["sh-port"]);
    let persistence = service.spec.persistence.as_ref().unwrap();
    assert_eq!((persistence.timeout.get(), persistence.prefix), (7, Some(24)));
}

#[test]
fn a_mask_that_groups_nobody_is_none() {
    let config = strict("virtual=10.0.0.1:80\n\tpersistent=7\n\tnetmask=255.255.255.255\n");
    assert_eq!(config.virtuals[0].spec.persistence.as_ref().unwrap().prefix, None);
}

#[test]
fn liberties_of_lenient_readers_change_no_meaning() {
    let strictly = strict(
        "quiescent=yes\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 masq\n\trequest=\"x\"\n\tscheduler=wlc\n",
    );
    for (text, warnings) in [
        (
            "\u{feff}quiescent=yes\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 masq\n\trequest=\"x\"\n\tscheduler=wlc\n",
            1,
        ),
        (
            "quiescent=yes\r\nvirtual=10.0.0.1:80\r\n\treal=10.0.0.2:80 masq\r\n\trequest=\"x\"\r\n\tscheduler=wlc\r\n",
            1,
        ),
        (
            "quiescent=yes  \nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 masq\n\trequest=\"x\"\n\tscheduler=wlc\n",
            1,
        ),
        (
            "quiescent=yes # c\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 masq\n\trequest=\"x\"\n\tscheduler=wlc\n",
            1,
        ),
        (
            "quiescent=yes\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 masq\n\n\trequest=\"x\"\n\n\tscheduler=wlc\n",
            1,
        ),
        ("quiescent=yes\nvirtual=10.0.0.1:80\nreal=10.0.0.2:80 masq\nrequest=\"x\"\nscheduler=wlc\n", 1),
        ("quiescent=yes\nvirtual=10.0.0.1:80\n  real=10.0.0.2:80 masq\n  request=„x“\n  scheduler=wlc\n", 2),
        (
            "  quiescent=yes\n  virtual=10.0.0.1:80\n    real=10.0.0.2:80 masq\n    request=\"x\"\n    scheduler=wlc\n",
            2,
        ),
        (
            "virtual=10.0.0.1:80\n\treal=10.0.0.2:80 masq\nquiescent=yes\n\trequest=\"x\"\n\tscheduler=wlc\n",
            1,
        ),
    ] {
        let (config, problems) = load(text, Mode::Lenient);
        assert_eq!(config.as_ref(), Some(&strictly), "{text:?} {problems:#?}");
        assert_eq!(problems.len(), warnings, "{text:?} {problems:#?}");
    }
}

#[test]
fn a_directive_of_both_places_that_is_not_indented_stays_global_in_a_good_file() {
    let text = "virtual=10.0.0.1:80\n\treal=10.0.0.2:80 masq\nchecktimeout=3\nvirtual=10.0.0.2:80\n\treal=10.0.0.3:80 masq\n";
    for mode in [Mode::Strict, Mode::Lenient] {
        let (config, problems) = load(text, mode);
        let config = config.unwrap();
        assert!(config.virtuals.iter().all(|service| service.check.check_timeout.get() == 3), "{problems:?}");
    }
    // Among unindented lines of a section it belongs to them.
    let (config, _) = load(
        "virtual=10.0.0.1:80\nchecktimeout=3\nreal=10.0.0.2:80 masq\n\nvirtual=10.0.0.2:80\nreal=10.0.0.3:80 masq\n",
        Mode::Lenient,
    );
    let timeouts: Vec<u32> =
        config.unwrap().virtuals.iter().map(|service| service.check.check_timeout.get()).collect();
    assert_eq!(timeouts, [3, 5]);
}

#[test]
fn what_is_not_acted_on_is_said() {
    let source = Source::new(
        "f.cf",
        "fork=yes\nsupervised=no\nvirtual=10.0.0.1:80\n\treal=10.0.0.2:80 masq\n\tload=\"x\"\n",
    );
    let (raw, _) = ldirectord::parse(&source, Mode::Strict);
    let problems = ldirectord::not_acted_on(&raw);
    let lines: Vec<String> = problems.iter().map(|problem| problem.line(&source)).collect();
    assert_eq!(
        lines,
        ["f.cf:1:1: warning: `fork` is not acted upon", "f.cf:5:2: warning: `load` is not acted upon"]
    );
    assert!(
        problems.iter().all(|problem| problem.severity == Severity::Warning && !problem.notes.is_empty())
    );
}

#[test]
fn passwords_are_neither_listed_nor_serialised() {
    let config =
        strict("virtual=10.0.0.1:80\n\treal=10.0.0.2 gate\n\tpasswd=\"hunter2\"\n\tsecret=\"hunter2\"\n");
    assert!(!config.to_string().contains("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!serde_json::to_string(&config).unwrap().contains("hunter2"));
    assert!(ldirectord::render(&config).contains("hunter2"));
}

#[test]
fn the_example_configurations_load_in_both_modes_without_a_word() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/configs/ldirectord");
    let mut files = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let source = Source::read(&file.unwrap().path()).unwrap();
        for mode in [Mode::Strict, Mode::Lenient] {
            let (config, problems) = ldirectord::load(&source, mode, &Names);
            let lines: Vec<String> = problems.iter().map(|problem| problem.line(&source)).collect();
            assert!(config.is_some() && lines.is_empty(), "{lines:#?}");
        }
        files += 1;
    }
    assert!(files >= 3);
}

#[test]
fn what_is_wrong_across_lines_is_found() {
    let tcp = "virtual=10.0.0.1:80\n\treal=10.0.0.2:80 masq\n";
    for (text, expected) in [
        (
            "virtual=10.0.0.1:0\n\treal=10.0.0.2 masq\n\tservice=http\n",
            "warning: port 0 without `persistent`",
        ),
        ("\tnetmask=255.255.255.0\n", "warning: `netmask` without `persistent`"),
        ("\tpersistent=6\n\tnetmask=255.0.255.0\n", "error: 255.0.255.0 is no prefix"),
        ("\tops=yes\n", "warning: one-packet scheduling is for UDP only"),
        ("\tprotocol=udp\n\tops=yes\n\tpersistent=6\n", "warning: one-packet scheduling with `persistent`"),
        ("\tpersistent=0\n", "warning: `persistent` is 0"),
        ("virtual=10.0.0.1:80\n\tservice=http\n", "warning: tcp:10.0.0.1:80 has no real server"),
        (
            "\treal=10.0.0.2:80 masq 7\n",
            "warning: the real server 10.0.0.2:80 stands twice in tcp:10.0.0.1:80",
        ),
        ("\treal=10.0.0.2:81 gate\n", "warning: port 81 with gate"),
        ("\treal=10.0.0.3 masq\n", "warning: no port for a real server of tcp:10.0.0.1:80"),
        ("\treal=10.0.0.3:80 masq l:9 u:5\n", "error: the lower threshold 9 is above the upper one, 5"),
        ("\treal=10.0.0.3:80 masq 70000\n", "error: the weight is out of range"),
        (
            "\treal=10.0.0.3:80 masq 1 \"l:5\" \"u:9\"\n",
            "warning: a threshold in quotes is read as a request",
        ),
        (
            "fallback=127.0.0.1\nvirtual=5\n\treal=10.0.0.2 masq\n",
            "warning: the global fallback has no port for a firewall mark",
        ),
        ("virtual=0\n\treal=10.0.0.2 masq\n", "error: no firewall mark 0"),
        ("\tchecktype=external\n", "warning: checktype external without `checkcommand`"),
        ("\tchecktype=external\n\tcheckcommand=/x y\n", "warning: `checkcommand` with arguments"),
        ("\tcheckcommand=/x\n", "warning: `checkcommand` with checktype negotiate"),
        ("\tchecktype=off\n", "warning: checktype off"),
        ("\tchecktype=0\n", "warning: checktype 0"),
        ("\tservice=mysql\n", "warning: a mysql check without `login`"),
        ("\tservice=pgsql\n\tlogin=\"x\"\n", "warning: a pgsql check without `request`"),
        ("\tservice=dns\n", "warning: a dns check without `receive`"),
        ("\tservice=pop\n", "warning: a pop check without `login`"),
        ("\tservice=ftp\n", "warning: an ftp check without `receive`"),
        ("\tservice=simpletcp\n", "warning: a simpletcp check without `request`"),
        ("\tservice=radius\n\tprotocol=udp\n", "warning: a radius check without `login` and `secret`"),
        ("\tservice=radius\n\tlogin=\"x\"\n\tsecret=\"x\"\n", "warning: a radius check of a TCP service"),
        (
            "virtual=10.0.0.1:81\n\treal=10.0.0.2:81 masq\n",
            "warning: no `service` to negotiate for tcp:10.0.0.1:81",
        ),
        ("\tprotocol=udp\n", "warning: a http check of a UDP service"),
        ("\tscheduler=wlcc\n", "warning: unknown scheduler `wlcc`"),
        ("\tscheduler=abcdefghijklmnop\n", "error: the name of a scheduler has at most 15 letters"),
        ("\tschedflags=sh-prt\n", "error: unknown scheduler flag `sh-prt`"),
        ("\tcheckport=81\n\tcheckport=82\n", "warning: `checkport` is set twice"),
        ("\tprotocol=fwm\n", "error: protocol `fwm` for an address and a port"),
        ("\treal6=[::1]:80 masq\n", "error: `real6` in a section of `virtual`"),
        ("\tautoreload=yes\n", "error: `autoreload` is a global directive"),
        ("scheduler=wlc\n", "error: `scheduler` outside of a section"),
    ] {
        let text = if text.starts_with('\t') { format!("{tcp}{text}") } else { text.to_owned() };
        let (config, problems) = load(&text, Mode::Lenient);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{text}{problems:#?}");
        assert_eq!(config.is_none(), expected.starts_with("error"), "{text}{problems:#?}");
    }
}
