//! Any bytes, large files, and the way back from the model to text.

use std::{fmt::Write, fs, net::IpAddr, path::PathBuf, time::Instant};

use lb_config::{
    diagnostic::{Colors, Problems},
    document::Source,
    fuzz,
    ldirectord::{self, Config, Mode},
    names::Resolver,
};
use lb_core::model::{Family, Protocol};
use proptest::prelude::*;

struct NoNames;

impl Resolver for NoNames {
    fn address(&self, _: &str, _: Family) -> Option<IpAddr> {
        None
    }

    fn port(&self, _: &str, _: Protocol) -> Option<u16> {
        None
    }
}

fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/ldirectord");
    let files = fs::read_dir(directory).expect("the corpus").map(|entry| entry.expect("the corpus").path());
    files
        .filter(|path| path.extension().is_some_and(|ext| ext == "cf"))
        .map(|path| (path.clone(), fs::read(path).expect("a file")))
        .collect()
}

#[test]
fn the_corpus_and_its_truncations_and_mutations_do_no_harm() {
    let corpus = corpus();
    assert!(corpus.len() >= 5);
    for (path, bytes) in &corpus {
        println!("{}", path.display());
        fuzz::ldirectord(bytes);
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 60) {
            fuzz::ldirectord(&bytes[..at]);
            for byte in [b'"', b'#', b'\n', b' ', 0xff, b':'] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                fuzz::ldirectord(&changed);
            }
        }
    }
}

fn line() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "virtual=10.0.0.1:80",
        "virtual = 10.0.0.2:53",
        "virtual=7",
        "virtual6=[::1]:80",
        "virtual6=9",
        "\treal=10.0.0.2:80 masq 3",
        "    real = 10.0.0.3->10.0.0.5 gate 0 \"a\", \"b\" l:1 u:2",
        "\treal6=[::2] ipip \"x\" \"\"",
        "\tchecktype=3",
        "\tchecktype = external",
        "\tservice=http",
        "\tprotocol=udp",
        "\tprotocol=tcp",
        "\tpersistent=600",
        "\tnetmask=255.255.255.0",
        "\tnetmask=64",
        "\tscheduler=sh",
        "\tschedflags=sh-port",
        "\trequest=\"/x y\"",
        "\treceive=\"a\"b\"",
        "\tvirtualhost=www",
        "\tops=yes",
        "\tfallback=127.0.0.1",
        "\tfallback6=[::3]:1 masq",
        "\tcheckcommand=/bin/x y",
        "\temailalert=\"a@b, c@d\"",
        "\temailalertstatus=none",
        "\tmonitorfile=/x",
        "\tservicename= a b ",
        "\tcomment=\"q\"",
        "\tlogin=\"l\"",
        "\tpasswd=\"p\"",
        "\tcheckport=81",
        "\tchecktimeout=3",
        "fallback=127.0.0.1:80 masq",
        "fallback6=[::5]",
        "quiescent=yes",
        "checktimeout=9",
        "negotiatetimeout = 4",
        "emailalert=x@y",
        "emailalertfreq=30",
        "emailalertfrom=z",
        "fallbackcommand=\"/x y\"",
        "logfile=\"local0\"",
        "callback=\"c\"",
        "execute=e",
        "maintenancedir=/m",
        "smtp=mail",
        "fork=yes",
        "autoreload=yes",
        "readdquiescent=yes",
        "supervised",
        "cleanstop=no",
        "failurecount=2",
        "checkcount=3",
        "checkinterval=1",
        "",
        "# comment",
        "\t# comment",
        "real=10.0.0.9 masq",
        "scheduler=wlc",
    ]);
    prop_oneof![8 => fixed.prop_map(str::to_owned), 1 => "[ \t]{0,5}[a-z]{0,9}[ =]{0,2}[ -~]{0,20}", 1 => "\\PC{0,20}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_lines_are_survived_and_what_was_understood_comes_back(lines in prop::collection::vec(line(), 0..25)) {
        fuzz::ldirectord(lines.join("\n").as_bytes());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::ldirectord(&bytes);
    }

    #[test]
    fn a_rendered_section_reads_as_the_same(
        service in prop::sample::select(vec!["10.0.0.1:80", "10.0.0.1:0", "10.0.0.1:53", "12"]),
        weights in prop::collection::vec(0u16.., 1..4),
        texts in prop::collection::vec("[!$-~][ !$-~]{0,8}[!$-~]", 6),
        persistent in prop::option::of(1u32..100_000),
        prefix in 1u32..=32,
        timeouts in prop::array::uniform3(1u32..1000),
        yes in any::<[bool; 3]>(),
    ) {
        let mut text = format!("checktimeout={}\nvirtual={service}\n", timeouts[0]);
        for (index, weight) in weights.iter().enumerate() {
            writeln!(text, "\treal=10.1.0.{index}:80 masq {weight}").unwrap();
        }
        writeln!(text, "\trequest=\"{}\"\n\treceive=\"{}\"\n\tlogin=\"{}\"\n\tpasswd=\"{}\"", texts[0], texts[1], texts[2], texts[3]).unwrap();
        writeln!(text, "\tcheckcommand={}\n\tcomment={}", texts[4].replace('"', "x"), texts[5]).unwrap();
        if let Some(seconds) = persistent {
            let mask = IpAddr::from((u32::MAX << (32 - prefix)).to_be_bytes());
            writeln!(text, "\tpersistent={seconds}\n\tnetmask={mask}").unwrap();
        }
        writeln!(text, "\tcheckinterval={}\n\tfailurecount={}", timeouts[1], timeouts[2]).unwrap();
        for (name, yes) in ["quiescent", "cleanstop", "ops"].iter().zip(yes) {
            writeln!(text, "\t{name}={}", if yes { "yes" } else { "no" }).unwrap();
        }
        let config = strict(&text);
        prop_assert_eq!(&strict(&ldirectord::render(&config)), &config);
    }
}

fn strict(text: &str) -> Config {
    let source = Source::new("f.cf", text);
    let (config, problems) = ldirectord::load(&source, Mode::Strict, &NoNames);
    config.unwrap_or_else(|| panic!("{text}\n{problems:#?}"))
}

fn large(virtuals: usize, reals: usize) -> String {
    let mut text = String::new();
    for index in 0..virtuals {
        text += &format!("virtual = 10.{}.{}.1:80\n", index / 250, index % 250);
        for real in 0..reals {
            text += &format!("\treal = 192.168.{}.{real}:8080 masq 5 \"index.html\", \"OK\"\n", index % 250);
        }
        text += "\tscheduler = wlc\n\tchecktype = negotiate\n\tservice = http\n\tpersistent = 600\n\n";
    }
    text
}

#[test]
fn ten_thousand_services_with_ten_servers_each_are_read_in_linear_time() {
    let mut costs = Vec::new();
    for virtuals in [1_000, 10_000] {
        let text = large(virtuals, 10);
        let start = Instant::now();
        let config = strict(&text);
        let taken = start.elapsed();
        println!("{virtuals} services, {} MB: {taken:?}", text.len() / 1_000_000);
        assert_eq!(config.table().server_count(), virtuals * 10);
        costs.push(taken.as_secs_f64());
    }
    // Ten times as much takes ten times as long; quadratic reading would take a hundred times.
    assert!(costs[1] < costs[0] * 60.0 + 5.0, "{costs:?}");
}

#[test]
fn a_hundred_thousand_errors_are_a_hundred_and_a_number() {
    let source = Source::new("f.cf", "nonsense=1\n".repeat(100_000));
    for mode in [Mode::Strict, Mode::Lenient] {
        let (config, problems) = ldirectord::load(&source, mode, &NoNames);
        assert!(config.is_none());
        assert_eq!(problems.len(), Problems::LIMIT + 1);
        assert_eq!(problems.last().unwrap().message, "99900 more errors not shown");
    }
}

#[test]
fn very_long_lines_are_survived_and_their_messages_are_short() {
    for filler in ["x", "\"", "# ", "a=", "“", "->", "1,", "10.0.0.1 ", "[", ":"] {
        // A debug build takes its time over each byte.
        let repeat = if cfg!(debug_assertions) { 1_000_000 } else { 100_000_000 };
        let text =
            format!("virtual=10.0.0.1:80\n\treal=10.0.0.2 masq {}\n", filler.repeat(repeat / filler.len()));
        let source = Source::new("f.cf", text);
        for mode in [Mode::Strict, Mode::Lenient] {
            let (_, problems) = ldirectord::load(&source, mode, &NoNames);
            for problem in &problems {
                let shown = problem.render(&source, Colors::No);
                assert!(shown.len() < 2000, "{filler}: {} bytes", shown.len());
            }
        }
    }
}

#[test]
fn ranges_cannot_fill_the_memory() {
    let mut text = String::from("virtual=10.0.0.1:80\n");
    for _ in 0..1000 {
        text += "\treal=10.0.0.0->10.0.255.255 gate\n";
    }
    let (config, problems) = ldirectord::load(&Source::new("f.cf", text), Mode::Strict, &NoNames);
    assert!(config.is_none());
    assert!(
        problems.iter().any(|problem| problem.message == "the ranges of the file have too many addresses")
    );
}
