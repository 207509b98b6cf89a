//! Chains of rules, and the way of a packet through them: pure.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use lb_core::model::{Family, Protocol};

/// Jumps into one another are followed so deep, as in the kernel.
const MAX_DEPTH: u32 = 16;

/// The first packet of a connection, at the hook.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packet {
    pub(super) family: Family,
    pub(super) protocol: Protocol,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// The interface by which it came, if that is known.
    pub(super) incoming: Option<String>,
    /// The interface by which it leaves, if that is known.
    pub(super) outgoing: Option<String>,
}

impl Packet {
    pub(super) fn server(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// The chains of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chains {
    pub(super) rules: BTreeMap<String, Vec<Rule>>,
    /// The chains at the hook, and whether their policy is to drop.
    pub(super) hooks: BTreeMap<String, bool>,
}

/// One rule: what it does with a packet to which all conditions apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) conditions: Vec<Condition>,
    pub(super) verdict: Verdict,
}

/// What a rule says of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) test: Test,
    pub(super) negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// Names of interfaces, perhaps with `*` or `+` at the end.
    Incoming(Vec<String>),
    Outgoing(Vec<String>),
    Family(Family),
    Protocol(Vec<String>),
    Destination(Vec<IpNet>),
    /// Ports from and to.
    Port(Vec<(u16, u16)>),
    /// States of connection tracking in lower case, `dnat` among them.
    State(Vec<String>),
    /// Something else.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
    /// The next rule decides.
    Continue,
    /// Something else, such as a queue.
    Other,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It passes, or may pass.
    Accepted,
    /// A rule drops it.
    Dropped,
    /// No rule lets it pass, and the policy drops it.
    Policy,
    /// The chain has said nothing.
    Undecided,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    No,
    Maybe,
    Yes,
}

impl Chains {
    /// The chains at the hook that drop a packet for certain.
    pub(super) fn dropping(&self, packet: &Packet) -> Vec<(&str, Fate)> {
        let fate = |(chain, drops): (&String, &bool)| match self.walk(chain, packet, 0) {
            Fate::Dropped => Fate::Dropped,
            Fate::Undecided if *drops => Fate::Policy,
            _ => Fate::Accepted,
        };
        let fates = self.hooks.iter().map(|hook| (hook.0.as_str(), fate(hook)));
        fates.filter(|(_, fate)| *fate != Fate::Accepted).collect()
    }

    /// Whether there is a chain of this name.
    pub(super) fn has(&self, chain: &str) -> bool {
        self.rules.contains_key(chain)
    }

    fn walk(&self, chain: &str, packet: &Packet, depth: u32) -> Fate {
        if depth > MAX_DEPTH {
            return Fate::Accepted;
        }
        for rule in self.rules.get(chain).into_iter().flatten() {
            let applies = rule.conditions.iter().map(|condition| condition.applies(packet)).min();
            let applies = applies.unwrap_or(Truth::Yes);
            if applies == Truth::No {
                continue;
            }
            let certain = applies == Truth::Yes;
            match &rule.verdict {
                Verdict::Accept | Verdict::Other => return Fate::Accepted,
                Verdict::Drop if certain => return Fate::Dropped,
                Verdict::Return if certain => return Fate::Undecided,
                Verdict::Jump(target) | Verdict::Goto(target) => match self.walk(target, packet, depth + 1) {
                    Fate::Accepted => return Fate::Accepted,
                    Fate::Dropped if certain => return Fate::Dropped,
                    _ if certain && matches!(rule.verdict, Verdict::Goto(_)) => return Fate::Undecided,
                    _ => {}
                },
                Verdict::Drop | Verdict::Return | Verdict::Continue => {}
            }
        }
        Fate::Undecided
    }
}

impl Condition {
    fn applies(&self, packet: &Packet) -> Truth {
        let truth = match &self.test {
            Test::Incoming(names) => has_name(packet.incoming.as_deref(), names),
            Test::Outgoing(names) => has_name(packet.outgoing.as_deref(), names),
            Test::Family(family) => (*family == packet.family).into(),
            Test::Protocol(names) => {
                let number = packet.protocol.number().to_string();
                names.iter().any(|name| name == packet.protocol.name() || *name == number).into()
            }
            Test::Destination(nets) => nets.iter().any(|net| net.contains(&packet.address)).into(),
            Test::Port(ranges) => ranges.iter().any(|(from, to)| (*from..=*to).contains(&packet.port)).into(),
            Test::State(states) => states.iter().any(|state| state == "new" || state == "dnat").into(),
            Test::Other => Truth::Maybe,
        };
        match (truth, self.negated) {
            (Truth::Yes, true) => Truth::No,
            (Truth::No, true) => Truth::Yes,
            (truth, _) => truth,
        }
    }
}

impl From<bool> for Truth {
    fn from(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }
}

fn has_name(interface: Option<&str>, names: &[String]) -> Truth {
    let Some(interface) = interface else { return Truth::Maybe };
    let is = |name: &String| match name.strip_suffix(['*', '+']) {
        Some(beginning) => interface.starts_with(beginning),
        None => interface == name,
    };
    names.iter().any(is).into()
}
