//! A lab as a text: which hosts there are, how they are joined, what runs in them.
//!
//! ```toml
//! switches = ["lan"]
//!
//! [hosts.client.links]
//! eth0 = { switch = "lan", addresses = ["10.0.0.10/24"] }
//!
//! [hosts.a]
//! links.eth0 = { switch = "lan", addresses = ["10.0.0.1/24"] }
//! files."/etc/keepalived/keepalived.conf" = "a.conf"   # from the folder of this text
//! setup = ["ip route add default via 10.0.0.10"]       # each ends before the next one starts
//! run = ["lb-failover -n -l"]                          # these go on
//! ```

mod build;
mod programs;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use ipnet::IpNet;
use lb_config::{
    diagnostic::{Diagnostic, Problems, Severity},
    document::{Source, Span},
};
use serde::Deserialize;
use toml::Spanned;
use toml_parser::lexer::TokenKind;

pub use build::{BuildError, Built, build};
pub use programs::path;

/// Hosts, switches and cables to be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Names of the switches.
    #[serde(default)]
    pub switches: Vec<Spanned<String>>,
    /// The hosts, by name.
    pub hosts: BTreeMap<Spanned<String>, HostPlan>,
}

/// One host to be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPlan {
    /// Its cables, by the interface's name.
    #[serde(default)]
    pub links: BTreeMap<Spanned<String>, LinkPlan>,
    /// Files that it gets: the path there, and the path here, seen from the folder of the topology.
    #[serde(default)]
    pub files: BTreeMap<String, Spanned<String>>,
    /// Lines of shell that are run one after the other when all cables are there.
    #[serde(default)]
    pub setup: Vec<Spanned<String>>,
    /// Lines of shell that go on until the lab ends.
    #[serde(default)]
    pub run: Vec<Spanned<String>>,
}

/// One cable to be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkPlan {
    /// The switch at its other end.
    pub switch: Spanned<String>,
    /// Addresses of the interface.
    #[serde(default)]
    pub addresses: Vec<Spanned<String>>,
}

impl LinkPlan {
    /// Its addresses; [`Topology::parse`] has made sure that they are some.
    pub fn nets(&self) -> Vec<IpNet> {
        self.addresses.iter().filter_map(|text| text.get_ref().parse().ok()).collect()
    }
}

impl Topology {
    /// Reads one. Paths in it are seen from `folder`.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the text.
    pub fn parse(source: &Source, folder: &Path) -> Result<Self, Vec<Diagnostic>> {
        if let Some(place) = too_deep(source.text()) {
            let message = format!("more than {MAX_DEPTH} tables and arrays within each other");
            return Err(vec![Diagnostic::error(place, message).help("close the `{` or `[` before it")]);
        }
        let topology: Self = toml::from_str(source.text()).map_err(|error| {
            let span = error.span().map_or_else(Span::default, |range| Span::new(range.start, range.end));
            vec![Diagnostic::error(span, error.message().trim_end_matches('.').to_owned())]
        })?;
        let mut problems = Problems::new();
        let switches: BTreeSet<&str> = topology.switches.iter().map(|name| name.get_ref().as_str()).collect();
        for plan in topology.hosts.values() {
            for link in plan.links.values() {
                topology.check(link, &switches, &mut problems);
            }
            for file in plan.files.values() {
                if !folder.join(file.get_ref()).is_file() {
                    let message = format!("there is no file `{}`", folder.join(file.get_ref()).display());
                    problems.push(Diagnostic::error(place(file), message));
                }
            }
        }
        if problems.is_empty() { Ok(topology) } else { Err(problems.finish()) }
    }

    fn check(&self, link: &LinkPlan, switches: &BTreeSet<&str>, problems: &mut Problems) {
        let name = link.switch.get_ref();
        if !switches.contains(name.as_str()) {
            problems.push_with(Severity::Error, place(&link.switch), || {
                Diagnostic::error(place(&link.switch), format!("there is no switch `{name}`"))
                    .did_you_mean(name, switches.iter().copied().take(1_000))
            });
        }
        for address in &link.addresses {
            if address.get_ref().parse::<IpNet>().is_err() {
                let message = format!("`{}` is no address with the length of its prefix", address.get_ref());
                problems.push(
                    Diagnostic::error(place(address), message).help("write it as 10.0.0.1/24 or fd00::1/64"),
                );
            }
        }
    }
}

/// Tables and arrays within each other; a topology needs three.
const MAX_DEPTH: usize = 32;

/// The bracket that opens one more than [`MAX_DEPTH`]. The parser recurses, and its own limit does not hold where a text
/// has errors.
fn too_deep(text: &str) -> Option<Span> {
    let (mut tables, mut arrays) = (0_usize, 0_usize);
    for token in toml_parser::Source::new(text).lex() {
        match token.kind() {
            TokenKind::LeftCurlyBracket => tables += 1,
            TokenKind::RightCurlyBracket => tables = tables.saturating_sub(1),
            TokenKind::LeftSquareBracket => arrays += 1,
            TokenKind::RightSquareBracket => arrays = arrays.saturating_sub(1),
            _ => {}
        }
        if tables + arrays > MAX_DEPTH {
            return Some(Span::new(token.span().start(), token.span().end()));
        }
    }
    None
}

fn place<T>(value: &Spanned<T>) -> Span {
    Span::new(value.span().start, value.span().end)
}
