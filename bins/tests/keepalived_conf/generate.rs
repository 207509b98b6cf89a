//! Files that are made of the inventory of keywords, each about one keyword.

use std::fmt::Write as _;

use lb_config::keepalived::language::keywords::{Body, Keyword, Within};

use crate::arguments;

/// A generated file.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// It is made again from this number.
    pub(crate) seed: u64,
    /// What it is about: `vrrp_instance/priority`.
    pub(crate) subject: String,
    /// The same.
    pub(crate) keyword: &'static Keyword,
    /// Its lines of that keyword.
    pub(crate) lines: Vec<String>,
    /// The whole file.
    pub(crate) text: Vec<u8>,
}

impl Case {
    /// Whether a block has no brace: keepalived reads the lines that follow as its entries then.
    pub(crate) fn lacks_a_block(&self) -> bool {
        self.keyword.body != Body::Line && self.lines.iter().any(|line| !line.contains('{'))
    }
}

/// SplitMix64: the same numbers on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count.max(1) as u64).unwrap_or(0)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        (!list.is_empty()).then(|| list[self.below(list.len())])
    }
}

/// The file of this number. The numbers go round all keywords.
pub(crate) fn case(seed: u64) -> Case {
    // Far apart from each other in each hundred.
    const STRIDE: usize = 211;
    let pairs = arguments::pairs();
    let (within, keyword) = pairs[usize::try_from(seed).unwrap_or(0).wrapping_mul(STRIDE) % pairs.len()];
    let mut random = Random::new(seed);
    let lines = subject(within, keyword, &mut random);
    let template = random.below(4) == 0;
    let text = File { within, keyword, lines: &lines, after: !random.one_in(3), template }.text(&mut random);
    Case { seed, subject: name(within, keyword), keyword, lines, text: layout(&text, &mut random) }
}

fn name(within: Within, keyword: &Keyword) -> String {
    format!("{}/{}", within.name(), keyword.name)
}

/// A file with these arguments of a keyword, each on a line of its own, and nothing odd about its layout.
pub(crate) fn plain(within: Within, keyword: &'static Keyword, arguments: &[&str]) -> Case {
    let lines: Vec<String> = arguments.iter().map(|argument| line(keyword.name, argument)).collect();
    let file = File { within, keyword, lines: &lines, after: true, template: false };
    let text = file.text(&mut Random::new(0)).into_bytes();
    Case { seed: 0, subject: name(within, keyword), keyword, lines, text }
}

/// One or two lines of the keyword: with right, odd, missing and too many arguments.
fn subject(within: Within, keyword: &Keyword, random: &mut Random) -> Vec<String> {
    let Some(known) = arguments::of(within, keyword.name) else { return Vec::new() };
    let name = keyword.name;
    let right = |random: &mut Random| line(name, random.of(&known.right).unwrap_or("-"));
    let odd = |random: &mut Random| line(name, random.of(&known.odd).unwrap_or("strange"));
    match random.below(10) {
        0..=3 => vec![right(random)],
        4..=5 => vec![odd(random)],
        6 => vec![name.to_owned()],
        7 => {
            let first = right(random);
            let (head, rest) = first.split_once('\n').unwrap_or((&first, ""));
            match rest {
                "" => vec![format!("{head} zz9")],
                _ => vec![format!("{} zz9 {{\n{rest}", head.trim_end_matches(" {"))],
            }
        }
        8 => vec![right(random), right(random)],
        _ => {
            let both = [right(random), odd(random)];
            if random.one_in(2) { both.into() } else { both.into_iter().rev().collect() }
        }
    }
}

/// `KEYWORD ARGUMENT`; a block of entries has a line for each.
fn line(keyword: &str, argument: &str) -> String {
    if argument == "-" {
        return keyword.to_owned();
    }
    match argument.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(entries) => {
            let mut out = format!("{keyword} {{\n");
            for entry in entries.split(" ; ").map(str::trim).filter(|entry| !entry.is_empty()) {
                let _ = writeln!(out, "{entry}");
            }
            out + "}"
        }
        None => format!("{keyword} {argument}"),
    }
}

/// A sound file around some lines.
struct File<'a> {
    within: Within,
    keyword: &'a Keyword,
    lines: &'a [String],
    /// The lines stand behind the others of their block.
    after: bool,
    /// Instances and virtual servers have more settings than they need.
    template: bool,
}

impl File<'_> {
    fn text(&self, random: &mut Random) -> String {
        let mut out = String::new();
        if self.within == Within::Root {
            out += &self.own();
        }
        let is = |within| self.within == within;
        out +=
            &self.block("global_defs", Within::GlobalDefs, if self.template { "router_id r1\n" } else { "" });
        out += &self.block("vrrp_script s1", Within::Script, "script \"/bin/true\"\n");
        out += "vrrp_script s2 {\nscript \"/bin/echo s2\"\n}\n";
        let processes = is(Within::Process) || self.keyword.name == "track_process";
        if processes {
            out += &self.block("vrrp_track_process p1", Within::Process, "process /bin/sleep\n");
            out += "vrrp_track_process p2 {\nprocess /bin/cat\n}\n";
        }
        out += &self.block("track_file f1", Within::TrackFile, "file /tmp/tf\n");
        out += "track_file f2 {\nfile /tmp/tf\n}\n";
        if is(Within::GarpGroup) {
            out += &self.block("garp_group", Within::GarpGroup, "garp_interval 1\ninterface eth0\n");
        }
        if is(Within::TrackGroup) {
            out += &self.block("track_group tg", Within::TrackGroup, "");
        }
        if is(Within::Ssl) {
            out += &self.block("SSL", Within::Ssl, "");
        }
        if is(Within::Bfd) || self.keyword.name == "track_bfd" || is(Within::BfdCheck) {
            out +=
                &self.block("bfd_instance b1", Within::Bfd, "neighbor_ip 192.0.2.2\nsource_ip 192.0.2.1\n");
        }
        out += &self.instances(random);
        if is(Within::SyncGroup) {
            out += &self.block("vrrp_sync_group G1", Within::SyncGroup, "group {\nVI_1\nVI_2\n}\n");
        }
        out + &self.virtual_server()
    }

    fn instances(&self, random: &mut Random) -> String {
        let mut base = String::from("interface eth0\nvirtual_router_id 51\npriority 100\n");
        if self.template {
            base += random
                .of(&["state BACKUP\n", "version 3\n", "advert_int 2\n", "state BACKUP\nnopreempt\n"])
                .unwrap_or("");
        }
        base += "virtual_ipaddress {\n192.0.2.10/24\n}\n";
        match self.within {
            Within::Authentication => {
                base += &self.block("authentication", self.within, "auth_type PASS\nauth_pass secret1\n")
            }
            Within::AuthHmac => base += &self.block("auth_hmac", self.within, ""),
            _ => {}
        }
        let mut out = self.block("vrrp_instance VI_1", Within::Instance, &base);
        let process = if self.within == Within::Process { "track_process {\np1\n}\n" } else { "" };
        let _ = write!(
            out,
            "vrrp_instance VI_2 {{\ninterface eth2\nvirtual_router_id 60\nvirtual_ipaddress {{\n198.51.100.10/24\n}}\n\
             track_script {{\ns1\ns2\n}}\ntrack_file {{\nf1\nf2\n}}\n{process}}}\n"
        );
        out
    }

    fn virtual_server(&self) -> String {
        let real = self.real_server();
        let base = "lvs_sched rr\nlvs_method NAT\nprotocol TCP\n";
        let base = if self.template { format!("{base}delay_loop 7\nquorum 1\n") } else { base.to_owned() };
        // Real servers stand behind the settings of all of them.
        let settings = self.lines_of(Within::VirtualServer, &base);
        format!("virtual_server 203.0.113.1 80 {{\n{settings}{real}}}\n")
    }

    fn real_server(&self) -> String {
        let check = match self.within {
            Within::TcpCheck => self.block("TCP_CHECK", self.within, ""),
            Within::PingCheck => self.block("PING_CHECK", self.within, ""),
            Within::UdpCheck => self.block("UDP_CHECK", self.within, ""),
            Within::HttpGet => {
                let name = if self.after { "HTTP_GET" } else { "SSL_GET" };
                self.block(name, self.within, "url {\npath /\n}\n")
            }
            Within::Url => format!("HTTP_GET {{\n{}}}\n", self.block("url", self.within, "path /\n")),
            Within::SmtpCheck => self.block("SMTP_CHECK", self.within, ""),
            Within::SmtpHost => format!("SMTP_CHECK {{\n{}}}\n", self.block("host", self.within, "")),
            Within::DnsCheck => self.block("DNS_CHECK", self.within, ""),
            Within::MiscCheck => self.block("MISC_CHECK", self.within, "misc_path \"/bin/true\"\n"),
            Within::FileCheck => self.block("FILE_CHECK", self.within, "track_file f1\n"),
            Within::BfdCheck => self.block("BFD_CHECK", self.within, "name b1\n"),
            _ => "TCP_CHECK {\nconnect_timeout 3\n}\n".to_owned(),
        };
        let settings = self.lines_of(Within::RealServer, "weight 1\n");
        format!("real_server 198.51.100.9 80 {{\n{settings}{check}}}\n")
    }

    fn block(&self, head: &str, within: Within, base: &str) -> String {
        let inside = self.lines_of(within, base);
        match inside.is_empty() {
            true => format!("{head} {{\n}}\n"),
            false => format!("{head} {{\n{inside}}}\n"),
        }
    }

    /// The lines of a block; those of our keyword stand in place of others of it.
    fn lines_of(&self, within: Within, base: &str) -> String {
        if within != self.within {
            return base.to_owned();
        }
        let base = without(base, self.keyword.name);
        if self.after { base + &self.own() } else { self.own() + &base }
    }

    fn own(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Without the directives of this keyword, or of another name of it.
fn without(base: &str, keyword: &str) -> String {
    let same = match keyword {
        "lb_algo" => "lvs_sched",
        "lb_kind" => "lvs_method",
        "neighbour_ip" => "neighbor_ip",
        _ => keyword,
    };
    let (mut out, mut depth, mut left_out) = (String::new(), 0, false);
    for line in base.lines() {
        if depth == 0 {
            left_out = line.split_whitespace().next() == Some(same);
        }
        depth += i32::from(line.ends_with('{')) - i32::from(line == "}");
        if !left_out {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// The same file as templates, editors and other systems write it.
fn layout(text: &str, random: &mut Random) -> Vec<u8> {
    let mut out = String::new();
    let (indent, end) = match random.below(6) {
        0 => ("\t", "\n"),
        1 => ("    ", " \t \n"),
        2 => ("  ", "\r\n"),
        3 => ("", "\n\n"),
        _ => ("  ", "\n"),
    };
    let comments = random.one_in(4);
    let braces = random.one_in(6);
    let mut depth = 0usize;
    for line in text.lines() {
        if line == "}" {
            depth = depth.saturating_sub(1);
        }
        out += &indent.repeat(depth);
        match line.strip_suffix(" {") {
            // The brace on a line of its own.
            Some(head) if braces => {
                let _ = write!(out, "{head}{end}{}{{{end}", indent.repeat(depth));
            }
            _ => {
                out += line;
                if comments && random.one_in(3) {
                    out += [" # a comment", " ! another { one", "# close", " ## \"quoted"][random.below(4)];
                }
                out += end;
            }
        }
        if line.ends_with('{') {
            depth += 1;
        }
        if comments && random.one_in(8) {
            let _ = write!(out, "{}# priority 7 }}{end}", indent.repeat(depth));
        }
    }
    let mut bytes = out.into_bytes();
    if random.one_in(8) {
        // The byte order mark stands before a line that nothing depends on.
        bytes.splice(0..0, *b"\xef\xbb\xbf# written elsewhere\n");
    }
    bytes
}

#[test]
fn a_number_makes_the_same_file_always_and_all_keywords_have_their_turn() {
    use std::collections::BTreeSet;

    assert_eq!(case(7).text, case(7).text);
    let pairs = arguments::pairs().len() as u64;
    let subjects: BTreeSet<String> = (0..pairs).map(|seed| case(seed).subject).collect();
    assert_eq!(subjects.len() as u64, pairs);
    assert!(pairs > 350, "{pairs}");
}
