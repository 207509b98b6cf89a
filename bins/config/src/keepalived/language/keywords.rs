//! Every keyword, where it may stand, and whether something acts on it.
//!
//! The tables are the only place that says whether a keyword is acted on: take the `.not("…")` off when it is.

mod balance;
mod bfd;
mod check;
mod globals;
mod root;
mod suggestion;
#[cfg(test)]
mod tests;
mod vrrp;

use std::{collections::HashMap, sync::LazyLock};

pub use check::check;

/// A keyword of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// Its name.
    pub name: &'static str,
    /// What follows it in braces.
    pub body: Body,
    /// Whether its parameters are read with quotes and escapes as in a shell, because they are a command line.
    pub shell: bool,
    /// Whether something acts on it.
    pub acted: Acted,
    /// Which one counts when it is there twice.
    pub repeated: Repeated,
}

/// Which one of several equal keywords of a block counts, as with keepalived 2.2.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// The last one.
    Last,
    /// All of them: they add to each other.
    All,
    /// The first one.
    First,
    /// The first one with another argument than this, which is the default.
    FirstBut(&'static str),
}

/// What may follow a keyword in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    Line,
    /// A block with keywords of its own.
    Block(Within),
    /// A block of entries that are no keywords, such as addresses.
    Entries,
}

/// Whether something acts on a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// Yes.
    Acted,
    /// No; it would have done this: "would …".
    NotActed(&'static str),
}

/// What a keyword stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // Each is named as its block.
pub enum Within {
    Root,
    GlobalDefs,
    TrackGroup,
    SyncGroup,
    GarpGroup,
    Instance,
    Authentication,
    AuthHmac,
    Script,
    Process,
    TrackFile,
    Ssl,
    VirtualServer,
    RealServer,
    TcpCheck,
    PingCheck,
    UdpCheck,
    HttpGet,
    Url,
    SmtpCheck,
    SmtpHost,
    DnsCheck,
    MiscCheck,
    FileCheck,
    BfdCheck,
    Bfd,
}

impl Within {
    /// All of them, the outermost first.
    pub const ALL: [Self; 26] = [
        Self::Root,
        Self::GlobalDefs,
        Self::TrackGroup,
        Self::SyncGroup,
        Self::GarpGroup,
        Self::Instance,
        Self::Authentication,
        Self::AuthHmac,
        Self::Script,
        Self::Process,
        Self::TrackFile,
        Self::Ssl,
        Self::VirtualServer,
        Self::RealServer,
        Self::TcpCheck,
        Self::PingCheck,
        Self::UdpCheck,
        Self::HttpGet,
        Self::Url,
        Self::SmtpCheck,
        Self::SmtpHost,
        Self::DnsCheck,
        Self::MiscCheck,
        Self::FileCheck,
        Self::BfdCheck,
        Self::Bfd,
    ];

    /// Its keywords.
    pub const fn keywords(self) -> &'static [Keyword] {
        match self {
            Self::Root => root::ROOT,
            Self::GlobalDefs => globals::GLOBAL_DEFS,
            Self::TrackGroup => root::TRACK_GROUP,
            Self::SyncGroup => vrrp::SYNC_GROUP,
            Self::GarpGroup => vrrp::GARP_GROUP,
            Self::Instance => vrrp::INSTANCE,
            Self::Authentication => vrrp::AUTHENTICATION,
            Self::AuthHmac => vrrp::AUTH_HMAC,
            Self::Script => vrrp::SCRIPT,
            Self::Process => vrrp::PROCESS,
            Self::TrackFile => vrrp::TRACK_FILE,
            Self::Ssl => root::SSL,
            Self::VirtualServer => balance::VIRTUAL_SERVER,
            Self::RealServer => balance::REAL_SERVER,
            Self::TcpCheck => balance::TCP_CHECK,
            Self::PingCheck => balance::PING_CHECK,
            Self::UdpCheck => balance::UDP_CHECK,
            Self::HttpGet => balance::HTTP_GET,
            Self::Url => balance::URL,
            Self::SmtpCheck => balance::SMTP_CHECK,
            Self::SmtpHost => balance::SMTP_HOST,
            Self::DnsCheck => balance::DNS_CHECK,
            Self::MiscCheck => balance::MISC_CHECK,
            Self::FileCheck => balance::FILE_CHECK,
            Self::BfdCheck => balance::BFD_CHECK,
            Self::Bfd => bfd::BFD_INSTANCE,
        }
    }

    /// As a file names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "outside of all blocks",
            Self::GlobalDefs => "global_defs",
            Self::TrackGroup => "track_group",
            Self::SyncGroup => "vrrp_sync_group",
            Self::GarpGroup => "garp_group",
            Self::Instance => "vrrp_instance",
            Self::Authentication => "authentication",
            Self::AuthHmac => "auth_hmac",
            Self::Script => "vrrp_script",
            Self::Process => "vrrp_track_process",
            Self::TrackFile => "track_file",
            Self::Ssl => "SSL",
            Self::VirtualServer => "virtual_server",
            Self::RealServer => "real_server",
            Self::TcpCheck => "TCP_CHECK",
            Self::PingCheck => "PING_CHECK",
            Self::UdpCheck => "UDP_CHECK",
            Self::HttpGet => "HTTP_GET",
            Self::Url => "url",
            Self::SmtpCheck => "SMTP_CHECK",
            Self::SmtpHost => "host",
            Self::DnsCheck => "DNS_CHECK",
            Self::MiscCheck => "MISC_CHECK",
            Self::FileCheck => "FILE_CHECK",
            Self::BfdCheck => "BFD_CHECK",
            Self::Bfd => "bfd_instance",
        }
    }
}

/// What a keyword is in a block; `None` = it is none there.
pub fn find(within: Within, name: &str) -> Option<&'static Keyword> {
    TABLE[within as usize].get(name).copied()
}

static TABLE: LazyLock<Vec<HashMap<&'static str, &'static Keyword>>> = LazyLock::new(|| {
    Within::ALL
        .iter()
        .map(|within| within.keywords().iter().map(|keyword| (keyword.name, keyword)).collect())
        .collect()
});

const fn line(name: &'static str) -> Keyword {
    Keyword { name, body: Body::Line, shell: false, acted: Acted::Acted, repeated: Repeated::Last }
}

/// A command line.
const fn command(name: &'static str) -> Keyword {
    Keyword { shell: true, ..line(name) }
}

const fn block(name: &'static str, within: Within) -> Keyword {
    Keyword { body: Body::Block(within), repeated: Repeated::All, ..line(name) }
}

const fn entries(name: &'static str) -> Keyword {
    Keyword { body: Body::Entries, repeated: Repeated::All, ..line(name) }
}

impl Keyword {
    /// The same, of which the first one counts.
    const fn first(self) -> Self {
        Self { repeated: Repeated::First, ..self }
    }

    /// The same, which add to each other.
    const fn all(self) -> Self {
        Self { repeated: Repeated::All, ..self }
    }

    /// The same, of which the first one counts that is not this default.
    const fn first_but(self, default: &'static str) -> Self {
        Self { repeated: Repeated::FirstBut(default), ..self }
    }

    /// The same, not acted on.
    const fn not(self, would: &'static str) -> Self {
        Self { acted: Acted::NotActed(would), ..self }
    }
}
