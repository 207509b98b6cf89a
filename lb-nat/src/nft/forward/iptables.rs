//! Chains from the text of `iptables-save`.

use super::chains::{Chains, Condition, Rule, Test, Verdict};

/// The chains of the table in this text.
pub(super) fn chains(text: &str) -> Chains {
    let mut chains = Chains::default();
    for line in text.lines() {
        if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let (Some(name), policy) = (words.next(), words.next()) else { continue };
            chains.rules.entry(name.to_owned()).or_default();
            if name == "FORWARD" {
                chains.hooks.insert(name.to_owned(), policy == Some("DROP"));
            }
        }
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("-A ")) {
        let words = words(line);
        let Some((name, words)) = words.split_first() else { continue };
        let rule = rule(words, &chains);
        chains.rules.entry(name.clone()).or_default().push(rule);
    }
    chains
}

/// Words, where `"…"` is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut escaped) = (None::<String>, false, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                word.get_or_insert_default().push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn rule(words: &[String], chains: &Chains) -> Rule {
    let (mut conditions, mut negated) = (Vec::new(), false);
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        let mut value = || words.next().cloned().unwrap_or_default();
        match word.as_str() {
            "-j" | "-g" => {
                let target = value();
                return Rule { conditions, verdict: verdict(target, word == "-g", chains) };
            }
            // What the modules test has options of its own.
            "-m" | "--comment" => drop(value()),
            option => {
                let test = match option {
                    "-i" => Test::Incoming(vec![value()]),
                    "-o" => Test::Outgoing(vec![value()]),
                    "-p" => Test::Protocol(vec![value()]),
                    "-d" => value().parse().map_or(Test::Other, |net| Test::Destination(vec![net])),
                    "--dport" | "--dports" => ports(&value()).map_or(Test::Other, Test::Port),
                    "--ctstate" | "--state" => {
                        Test::State(value().to_lowercase().split(',').map(str::to_owned).collect())
                    }
                    _ => {
                        while words.next_if(|word| *word != "!" && !word.starts_with('-')).is_some() {}
                        Test::Other
                    }
                };
                conditions.push(Condition { test, negated });
            }
        }
        negated = false;
    }
    Rule { conditions, verdict: Verdict::Continue }
}

fn verdict(target: String, goto: bool, chains: &Chains) -> Verdict {
    match target.as_str() {
        "ACCEPT" => Verdict::Accept,
        "DROP" | "REJECT" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        "QUEUE" | "NFQUEUE" => Verdict::Other,
        _ if goto => Verdict::Goto(target),
        name if chains.has(name) => Verdict::Jump(target),
        _ => Verdict::Continue,
    }
}

/// `80`, `80:90` or `80,90:95`.
fn ports(text: &str) -> Option<Vec<(u16, u16)>> {
    let range = |range: &str| match range.split_once(':') {
        Some((from, to)) => Some((from.parse().ok()?, to.parse().ok()?)),
        None => range.parse().ok().map(|port| (port, port)),
    };
    text.split(',').map(range).collect()
}
