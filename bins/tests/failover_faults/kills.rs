//! The daemon is killed, told to reload and stopped at random moments, with configurations that change at random. Whatever
//! happens, in the end exactly what is configured is in the kernel, and nothing after the end.
//!
//! `LB_KILLS=1000` kills so often, on several nodes at a time; `LB_SEED` repeats a run.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::sys::signal::{Signal, kill};

use crate::{
    node::{Kind::Ours, Node, lab, nodes},
    supervisor::{daemon, kill_daemon, wait_for_answer},
    support::{PATIENCE, skip},
};

/// Kills in a normal run, and on how many nodes a long run is spread.
const KILLS: u64 = 40;
const NODES: u64 = 4;
/// A supervisor that has seen more deaths starts its daemon with pauses.
const KILLS_A_LIFE: u64 = 5;

#[test]
fn random_kills_leave_nothing_wrong_and_nothing_behind() {
    let kills = number("LB_KILLS").unwrap_or(KILLS);
    let time = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("LB_SEED").unwrap_or_else(time);
    let nodes = if kills > KILLS { NODES } else { 1 };
    let work = |node| thread::spawn(move || torment(seed.wrapping_add(node), kills.div_ceil(nodes)));
    let threads: Vec<_> = (0..nodes).map(work).collect();
    let tally: Vec<Tally> = threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
    let sum = |count: fn(&Tally) -> u64| tally.iter().map(count).sum::<u64>();
    let (killed, checks, ends) = (sum(|one| one.kills), sum(|one| one.checks), sum(|one| one.ends));
    writeln!(
        std::io::stderr(),
        "LB_SEED={seed}: {killed} kills; {checks} times everything was as configured, {ends} times nothing was left"
    )
    .unwrap();
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    checks: u64,
    ends: u64,
}

/// One node, until it was killed so often.
fn torment(seed: u64, kills: u64) -> Option<Tally> {
    let test = "random_kills_leave_nothing_wrong_and_nothing_behind";
    let lab = lab(test, &[])?;
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    // Virtual servers on nftables need it.
    node.host.sh("echo 1 > /proc/sys/net/ipv4/ip_forward").unwrap();
    let with_nft = Path::new("/usr/sbin/nft").exists();
    if !with_nft {
        skip(&format!("{test}: nftables"), "nft (apt-get install nftables)");
    }
    let plane = if with_nft { "nft" } else { "memory" };
    let mut random = Random(seed);
    let mut tally = Tally::default();
    while tally.kills < kills {
        let mut wanted = Wanted::any(&mut random, with_nft);
        node.configure(&wanted.text());
        node.start_program(
            Path::new(env!("CARGO_BIN_EXE_lb-failover")),
            &["-n", "-l", "-D", "--data-plane", plane],
        );
        // One that never worked is not started again.
        wait_for_answer(&node);
        for _ in 0..KILLS_A_LIFE {
            if random.below(4) == 0 {
                node.signal(Signal::SIGHUP);
                check(&node, &wanted, seed);
                tally.checks += 1;
            }
            wanted = Wanted::any(&mut random, with_nft);
            node.configure(&wanted.text());
            for _ in 0..random.below(3) {
                node.signal(Signal::SIGHUP);
            }
            thread::sleep(Duration::from_millis(random.below(60)));
            if random.below(8) > 0 {
                kill_daemon(&mut node);
                tally.kills += 1;
            }
            if random.below(4) == 0 {
                thread::sleep(Duration::from_millis(random.below(30)));
                // Its successor, before it has done anything.
                if let Some(pid) = daemon(&mut node) {
                    tally.kills += u64::from(kill(pid, Signal::SIGKILL).is_ok());
                }
            }
        }
        if random.below(2) == 0 {
            node.signal(Signal::SIGHUP);
            check(&node, &wanted, seed);
            tally.checks += 1;
        }
        if random.below(2) == 0 {
            kill_daemon(&mut node);
            tally.kills += 1;
            thread::sleep(Duration::from_millis(random.below(60)));
        }
        let ended = node.daemon().stop().unwrap();
        assert!(ended.success(), "LB_SEED={seed}: {ended}");
        assert_eq!(Found::on(&node), Found::default(), "LB_SEED={seed}: after the end");
        tally.ends += 1;
    }
    Some(tally)
}

fn check(node: &Node, wanted: &Wanted, seed: u64) {
    let expected = wanted.found();
    let end = Instant::now() + PATIENCE;
    while Found::on(node) != expected {
        assert!(Instant::now() < end, "LB_SEED={seed}: {:?}\nin place of\n{expected:?}", Found::on(node));
        thread::sleep(Duration::from_millis(20));
    }
}

/// A configuration. Each number stands for an object.
#[derive(Debug, Default)]
struct Wanted {
    addresses: BTreeSet<u64>,
    excluded: BTreeSet<u64>,
    routes: BTreeSet<u64>,
    rules: BTreeSet<u64>,
    /// Of an instance with a virtual Ethernet address; without any there is no such instance.
    vmac: BTreeSet<u64>,
    static_routes: BTreeSet<u64>,
    static_addresses: BTreeSet<u64>,
    refuses: bool,
    services: BTreeSet<u64>,
}

impl Wanted {
    fn any(random: &mut Random, with_nft: bool) -> Self {
        let mut addresses = random.some(1..5);
        // An instance has one at least.
        addresses.insert(0);
        Self {
            addresses,
            excluded: random.some(10..13),
            routes: random.some(1..5),
            rules: random.some(1..5),
            vmac: random.some(20..23),
            static_routes: random.some(11..14),
            static_addresses: random.some(31..33),
            refuses: with_nft && random.below(2) == 0,
            services: if with_nft { random.some(1..5) } else { BTreeSet::new() },
        }
    }

    fn text(&self) -> String {
        let lines = |numbers: &BTreeSet<u64>, line: fn(u64) -> String| {
            numbers.iter().map(|number| format!("    {}\n", line(*number))).collect::<String>()
        };
        let address = |number| format!("10.0.0.{}/24", 100 + number);
        let mut text = format!(
            "static_ipaddress {{\n{}}}\n",
            lines(&self.static_addresses, |number| { format!("10.0.0.{}/24 dev eth0", 100 + number) })
        );
        let _ = writeln!(
            text,
            "static_routes {{\n{}}}",
            lines(&self.static_routes, |number| { format!("10.{number}.0.0/16 via 10.0.0.2 dev eth0") })
        );
        let block = |keyword: &str, lines: String| match lines.is_empty() {
            true => String::new(),
            false => format!("  {keyword} {{\n{lines}  }}\n"),
        };
        let head = |name: &str, id: u8| {
            format!(
                "vrrp_instance {name} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {id}\n  priority 150\n  \
                 version 3\n  advert_int 0.05\n"
            )
        };
        text += &head("web", 51);
        text += if self.refuses { "  no_accept\n" } else { "" };
        text += &block("virtual_ipaddress", lines(&self.addresses, address));
        text += &block("virtual_ipaddress_excluded", lines(&self.excluded, address));
        text += &block(
            "virtual_routes",
            lines(&self.routes, |number| format!("10.{}.0.0/16 via 10.0.0.2 dev eth0", 20 + number)),
        );
        text += &block(
            "virtual_rules",
            lines(&self.rules, |number| {
                format!("from 10.5.{number}.0/24 table 100 priority {}", 300 + number)
            }),
        );
        text += "}\n";
        if !self.vmac.is_empty() {
            text += &head("mac", 52);
            text += "  use_vmac\n";
            text += &block("virtual_ipaddress", lines(&self.vmac, address));
            text += "}\n";
        }
        for number in &self.services {
            let _ = writeln!(
                text,
                "virtual_server 10.0.0.{} 80 {{\n  lb_algo rr\n  lb_kind NAT\n  protocol TCP\n  \
                 real_server 10.0.0.2 80 {{\n  }}\n}}",
                200 + number
            );
        }
        text
    }

    fn found(&self) -> Found {
        let addresses = [&self.addresses, &self.excluded, &self.vmac, &self.static_addresses];
        Found {
            addresses: addresses.into_iter().flatten().copied().collect(),
            routes: self
                .static_routes
                .iter()
                .copied()
                .chain(self.routes.iter().map(|one| 20 + one))
                .collect(),
            rules: self.rules.clone(),
            services: self.services.clone(),
            filter: self.refuses,
            vmac: !self.vmac.is_empty(),
        }
    }
}

/// What is in the kernel, by the same numbers.
#[derive(Debug, Default, PartialEq)]
struct Found {
    addresses: BTreeSet<u64>,
    routes: BTreeSet<u64>,
    rules: BTreeSet<u64>,
    services: BTreeSet<u64>,
    filter: bool,
    vmac: bool,
}

impl Found {
    fn on(node: &Node) -> Self {
        let all = node
            .host
            .sh("ip -4 -o address; echo =; ip -4 route show; echo =; ip rule; echo =; ip -o link; echo =; \
             nft list ruleset 2>/dev/null || true");
        let all = all.unwrap();
        let parts: Vec<&str> = all.split("=\n").collect();
        Self {
            addresses: numbers(parts[0], "10.0.0.", '/').into_iter().filter_map(over(100)).collect(),
            routes: parts[1]
                .lines()
                .filter(|line| line.contains("proto keepalived") || line.contains("proto 18"))
                .flat_map(|line| numbers(line.split(' ').next().unwrap_or_default(), "10.", '.'))
                .collect(),
            rules: numbers(parts[2], "from 10.5.", '.'),
            services: numbers(parts[4], "10.0.0.", ' ').into_iter().filter_map(over(200)).collect(),
            filter: parts[4].contains("table inet lb_failover"),
            vmac: parts[3].contains("vrrp.52"),
        }
    }
}

fn over(base: u64) -> impl Fn(u64) -> Option<u64> {
    move |number| number.checked_sub(base).filter(|number| *number < 100)
}

/// The numbers between these.
fn numbers(text: &str, before: &str, after: char) -> BTreeSet<u64> {
    let found = text.split(before).skip(1).filter_map(|rest| rest.split(after).next()?.parse().ok());
    found.collect()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// About half of these.
    fn some(&mut self, of: std::ops::Range<u64>) -> BTreeSet<u64> {
        of.filter(|_| self.below(2) == 0).collect()
    }
}
