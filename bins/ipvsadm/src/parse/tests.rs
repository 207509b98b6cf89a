//! `../golden/answers.txt` has what ipvsadm 1.31 answered on Linux 6.1.192 to each of its command lines: the exit status, the
//! line as a shell takes it, and what was said, or what `ipvsadm -S -n` had more afterwards.
//!
//! Before each of them the table was `-A -t 10.0.0.1:80 -s wlc`, `-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 3 -x 9 -y 4`,
//! `-A -t 10.0.0.1:0 -s rr -p 50`, `-A -f 7 -s sh -b sh-port`, `-a -f 7 -r 10.0.1.1 -g`, and `/etc/hosts` had what `Host` has.

use std::net::IpAddr;

use lb_core::model::{Family, Protocol, SchedulerKind};
use lb_ipvs::{
    Command as Change, Destination, Service,
    format::{Names, entry, save},
};
use proptest::prelude::*;

use super::*;

const ANSWERS: &str = include_str!("../golden/answers.txt");

/// What the kernel said, when the line was right.
const REFUSALS: [&str; 9] = [
    "Service already exists",
    "No such service",
    "Service not defined",
    "Destination already exists",
    "No such destination",
    "No daemon is running",
    "No such device",
    "Numerical result out of range",
    "Invalid operation.  Possibly wrong module version, address not unicast, ...",
];

struct Host;

impl Resolver for Host {
    fn address(&self, name: &str, family: Family) -> Option<IpAddr> {
        let address = match name.to_ascii_lowercase().as_str() {
            "localhost" | "director" | "ip6-localhost" | "ip6host" => "127.0.0.1",
            "both" => "10.0.0.77",
            "host.with.dots" | "num" => "10.0.0.78",
            _ => return None,
        };
        (family == Family::V4).then(|| address.parse().unwrap())
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        match (service, protocol) {
            ("http" | "www", Protocol::Tcp) => Some(80),
            ("https", Protocol::Tcp | Protocol::Udp) => Some(443),
            ("domain", Protocol::Tcp | Protocol::Udp) => Some(53),
            ("syslog", Protocol::Tcp | Protocol::Udp) => Some(514),
            ("tftp", Protocol::Udp) => Some(69),
            ("ntp", Protocol::Udp) => Some(123),
            _ => None,
        }
    }
}

/// As far as a shell's rules are used in the recording.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == c => quote = None,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The last line of what `-S -n` prints.
fn saved(service: Service, server: Option<Destination>) -> String {
    let text = save(&[entry(service, server)], Names::Numeric);
    text.lines().last().unwrap().to_owned()
}

#[test]
fn every_line_is_taken_or_refused_as_ipvsadm_did() {
    let (mut refused, mut taken, mut made) = (0, 0, 0);
    for answer in ANSWERS.lines() {
        let [status, line, said] = answer.split('\t').collect::<Vec<_>>()[..] else { panic!("{answer}") };
        match (parse(&shell_words(line), &Host), said) {
            (Err(problem), _) => {
                assert_eq!(problem.fault.to_string().trim_end(), said, "{line}");
                assert_eq!(problem.fault.status().to_string(), status, "{line}");
                refused += 1;
            }
            (Ok(_), "") => taken += 1,
            (Ok(_), _) if status != "0" => {
                let kernel = REFUSALS.contains(&said) || said.starts_with("Scheduler or persistence engine");
                assert!(kernel, "{line}\nis wrong, as ipvsadm says: {said}");
                taken += 1;
            }
            (Ok(Command::Change(change)), _) => {
                let saved = match &change {
                    Change::AddService(service) | Change::EditService(service) => {
                        saved(service.clone(), None)
                    }
                    Change::AddDestination(key, server) | Change::EditDestination(key, server) => {
                        saved(Service::new(*key, SchedulerKind::RoundRobin), Some(server.clone()))
                    }
                    other => panic!("{line}: {other:?} added something: {said}"),
                };
                assert_eq!(saved.trim(), said, "{line}");
                made += 1;
            }
            (Ok(order), _) => panic!("{line}: {order:?} added something: {said}"),
        }
    }
    assert!(refused > 900 && taken > 200 && made > 150, "{refused} {taken} {made}");
}

#[test]
fn a_problem_knows_its_word() {
    let word = |line: &str| parse(&shell_words(line), &Host).unwrap_err().at;
    assert_eq!(word("-A -t 10.0.0.5:x"), Some(2));
    assert_eq!(word("-A -t10.0.0.5:x"), Some(1));
    assert_eq!(word("-A -t 10.0.0.5:80 -w 5"), Some(4));
    assert_eq!(word("-A -t 10.0.0.5:80 -s rr extra"), Some(5));
    assert_eq!(word("-A -t 10.0.0.5:80 -s mh -b sh-port"), Some(6));
    assert_eq!(word("-a -t 10.0.0.5:80 -r 10.0.0.1 -m --tun-port 5"), Some(7));
    assert_eq!(word("-a -t 10.0.0.5:80"), None);
    assert_eq!(word(""), None);
}

proptest! {
    #[test]
    fn no_line_is_too_strange(line in r"(-[A-Za-z6=]{1,3}|--[a-z]{2,8}|[0-9.:\[\]]{1,9}|\PC{0,3})( (-[A-Za-z6=]{1,3}|[0-9.:\[\]]{1,9}|\PC{0,3})){0,6}") {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if let Err(problem) = parse(&words, &Host) {
            prop_assert!(problem.at.is_none_or(|at| at < words.len()));
            prop_assert!(!problem.fault.to_string().is_empty());
        }
    }
}
