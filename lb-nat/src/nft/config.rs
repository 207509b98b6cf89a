//! What can be chosen about the nftables data plane.

use std::{fmt, hash::Hasher as _, num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use siphasher::sip::SipHasher13;
use thiserror::Error;

/// How an [`Nft`](super::Nft) works. [`NftConfig::default`] suits a balancer that its servers route through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NftConfig {
    /// Name of the table in family `inet`, default `lb`. Nothing outside it is ever read or changed.
    pub table: TableName,
    /// Nobody else uses the table: services in it that are not desired were left behind by a predecessor and are
    /// removed. Take it with [`Nft::acquire`](super::Nft::acquire). Default `false`: they are left alone.
    pub exclusive: bool,
    /// Hide clients behind the balancer's own address (`masquerade`), so that servers need no route back through
    /// the balancer. Default `false`: servers see the clients.
    pub snat: bool,
    /// Let weighted round robin stand in for schedulers that count connections, which nftables cannot express.
    /// Every stand-in is logged. Default `false`: such services are refused.
    pub approximate: bool,
    /// Clients that persistence has bound to a server keep it while it has weight 0, as IPVS does with
    /// `expire_quiescent_template` 0. Default `false`: weight 0 gets no new connection at all.
    pub quiescent_keeps_clients: bool,
    /// Clients that persistence remembers for one server, default 65,536. Further ones are balanced but not bound.
    pub persistent_clients: NonZeroU32,
    /// Slots of a Maglev table, default 4,093 as in the kernel's `mh`; the next prime is taken, 251 to 16,381.
    /// Ten times the slots make shares ten times as even and take ten times the kernel memory (about 100 bytes
    /// for each slot of each service).
    pub maglev_slots: u16,
    /// The `nft` program, default `nft`, looked for in `PATH`, `/usr/sbin` and `/sbin`.
    pub program: PathBuf,
    /// How long one run of the program may take, default 60 s. A run that is ended has changed nothing.
    pub timeout: Duration,
}

impl Default for NftConfig {
    fn default() -> Self {
        Self {
            table: TableName::default(),
            exclusive: false,
            snat: false,
            approximate: false,
            quiescent_keeps_clients: false,
            persistent_clients: NonZeroU32::MIN.saturating_add(65_535),
            maglev_slots: 4093,
            program: "nft".into(),
            timeout: Duration::from_secs(60),
        }
    }
}

/// Name of a table: a letter, then up to 30 letters, digits, `-` or `_`. Nothing that would need quoting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(String);

impl Default for TableName {
    fn default() -> Self {
        Self("lb".to_owned())
    }
}

impl TableName {
    /// The table of one daemon: `lb-`, what of the label fits and may stand in a name, and a hash of what identifies
    /// the daemon. Equal for equal arguments in every version, so that a daemon finds what its predecessor has left.
    pub fn for_daemon(label: &str, identity: &[u8]) -> Self {
        const LABEL_LENGTH: usize = 18;
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let label: String = label.chars().take(LABEL_LENGTH).map(plain).collect();
        let mut hasher = SipHasher13::new();
        hasher.write(identity);
        Self(format!("lb-{label}-{:08x}", hasher.finish() >> 32))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TableName {
    type Err = TableNameError;

    fn from_str(text: &str) -> Result<Self, TableNameError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let begins_well = text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
        if begins_well && text.len() <= 31 && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TableNameError(text.chars().take(100).collect()))
        }
    }
}

/// A text that is no name of a table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no name for a table: a letter, then up to 30 letters, digits, `-` or `_`")]
pub struct TableNameError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_daemon_has_a_table_of_its_own_and_keeps_it() {
        let name = TableName::for_daemon("web.cf", b"lb-director /etc/ha.d/web.cf");
        assert_eq!(name.to_string(), "lb-web-cf-5dba31b7");
        assert_ne!(name, TableName::for_daemon("web.cf", b"lb-director /etc/ha.d/conf/web.cf"));
        for label in ["", "\u{1f600} {drop}", &"x".repeat(100)] {
            let name = TableName::for_daemon(label, label.as_bytes());
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }
}
