//! The kernel's own picks, played again.
//!
//! `kernel.txt` was recorded on Linux 6.1.192 (Debian's 6.1.0-56-cloud-amd64), in a virtual machine: random edits
//! by ipvsadm 1.31 of a service with a firewall mark, and for each pick one UDP datagram or TCP SYN from the given
//! source; the server is where that packet was sent on to. Under `ops` connections end at once (`ipvsadm -o`),
//! under `udp` they stay and are inactive, under `tcp` they stay and are active.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use lb_core::{
    Time,
    model::{SchedulerFlags, ServerKey, ServerSpec, Thresholds, Weight},
    schedule::{Balancer, Flow, Load},
};

/// A service as the recording made it.
struct Replay {
    balancer: Balancer,
    mode: String,
    family: String,
    /// A destination that is added again gets its old connections back, as from the kernel's trash.
    loads: HashMap<ServerKey, Arc<Load>>,
}

impl Replay {
    fn new(words: &[&str]) -> Self {
        let [kind, flags, mode, family] = *words else { panic!("{words:?}") };
        let flags = flags.split(',').filter(|flag| *flag != "-");
        let flags = flags.map(|flag| SchedulerFlags::parse_one(flag).unwrap());
        let flags = flags.fold(SchedulerFlags::EMPTY, SchedulerFlags::union);
        Self {
            balancer: Balancer::new(&kind.parse().unwrap(), flags, 0).unwrap(),
            mode: mode.into(),
            family: family.into(),
            loads: HashMap::new(),
        }
    }

    fn key(&self, number: &str) -> ServerKey {
        let text = if self.family == "v4" {
            format!("192.168.0.{number}:80")
        } else {
            format!("[fd01::{number}]:80")
        };
        parse(&text)
    }

    fn set(&mut self, words: &[&str]) {
        let [server, weight, upper, lower] = *words else { panic!("{words:?}") };
        let key = self.key(server);
        let thresholds = Thresholds { upper: parse(upper), lower: parse(lower) };
        let spec = ServerSpec { thresholds, ..ServerSpec::masq(Weight::new(parse(weight))) };
        self.balancer.set(key, spec, Some(self.loads.entry(key).or_default().clone()));
    }

    fn pick(&mut self, words: &[&str]) -> Option<ServerKey> {
        let [source, port, destination] = *words else { panic!("{words:?}") };
        let flow = Flow {
            source: (parse::<std::net::IpAddr>(source), parse(port)).into(),
            destination: (parse::<std::net::IpAddr>(destination), 80).into(),
            now: Time::ZERO,
        };
        let server = self.balancer.pick(&flow)?;
        if self.mode != "ops" {
            server.load().open(self.mode == "tcp");
        }
        Some(server.key())
    }
}

fn parse<T: FromStr<Err: fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

#[test]
fn picks_are_the_kernels() {
    let mut replay = None;
    let mut service = "";
    let (mut picks, mut wrong) = (0, Vec::new());
    for (number, line) in (1..).zip(include_str!("kernel.txt").lines()) {
        let words: Vec<_> = line.split_whitespace().collect();
        match (&*words, &mut replay) {
            (["service", words @ ..], _) => (replay, service) = (Some(Replay::new(words)), line),
            (["add" | "edit", words @ ..], Some(replay)) => replay.set(words),
            (["remove", server], Some(replay)) => {
                let key = replay.key(server);
                assert!(replay.balancer.remove(&key).is_some(), "{number}: {line}");
            }
            (["pick", words @ .., server], Some(replay)) => {
                picks += 1;
                let expected = (*server != "-").then(|| replay.key(server));
                let picked = replay.pick(words);
                if picked != expected {
                    wrong.push(format!("{number}: {service}: {line}, not {picked:?}"));
                }
            }
            ([], _) => {}
            _ => panic!("{number}: {line}"),
        }
    }
    let first = wrong.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {picks} picks differ:\n{first}", wrong.len());
    assert!(picks > 2000, "{picks}");
}
