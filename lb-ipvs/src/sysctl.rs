//! The kernel's settings that decide what becomes of connections when servers go: `/proc/sys/net/ipv4/vs/`.
//!
//! ```no_run
//! use lb_ipvs::{Namespace, sysctl::{self, Sysctl}};
//!
//! let namespace = Namespace::own();
//! for setting in sysctl::read_all(&namespace)? {
//!     println!("{setting}");
//! }
//! let before = sysctl::replace(&namespace, Sysctl::ExpireNodestConn, 1)?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{fmt, fs, io, ops::RangeInclusive, str::FromStr};

use thiserror::Error;

use crate::Namespace;

/// A setting of the kernel, one for each network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Sysctl {
    /// `expire_nodest_conn`: what happens to a packet of a connection whose server was deleted.
    ExpireNodestConn,
    /// `expire_quiescent_template`: whether persistence lasts when its server has weight 0.
    ExpireQuiescentTemplate,
    /// `conn_reuse_mode`: what a new connection from an address and port gets that the table still has.
    ConnReuseMode,
    /// `conntrack`: whether netfilter's connection tracking sees balanced connections.
    Conntrack,
}

impl Sysctl {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ExpireNodestConn, Self::ExpireQuiescentTemplate, Self::ConnReuseMode, Self::Conntrack];

    /// The name of its file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExpireNodestConn => "expire_nodest_conn",
            Self::ExpireQuiescentTemplate => "expire_quiescent_template",
            Self::ConnReuseMode => "conn_reuse_mode",
            Self::Conntrack => "conntrack",
        }
    }

    /// The values that mean something.
    pub const fn values(self) -> RangeInclusive<i64> {
        match self {
            Self::ExpireNodestConn | Self::ExpireQuiescentTemplate | Self::Conntrack => 0..=1,
            Self::ConnReuseMode => 0..=3,
        }
    }

    /// What a value does.
    pub const fn meaning(self, value: i64) -> &'static str {
        match (self, value) {
            (Self::ExpireNodestConn, 0) => {
                "packets of a connection whose server was deleted are dropped in silence, and the connection goes on if \
                 the server is added again in time"
            }
            (Self::ExpireNodestConn, _) => {
                "the first packet after a server was deleted ends its connection, and the client is told"
            }
            (Self::ExpireQuiescentTemplate, 0) => {
                "a client that persistence has bound to a server of weight 0 keeps coming back to it"
            }
            (Self::ExpireQuiescentTemplate, _) => {
                "a client's next connection goes elsewhere when its server has weight 0"
            }
            (Self::ConnReuseMode, 0) => {
                "a client that uses a port again gets the server of its last connection, even one of weight 0"
            }
            (Self::ConnReuseMode, 1) => {
                "a client that uses a port again is scheduled anew if its last connection is in TIME_WAIT"
            }
            (Self::ConnReuseMode, _) => {
                "a client that uses a port again is scheduled anew also if its last connection was seen to end (FIN_WAIT)"
            }
            (Self::Conntrack, 0) => "netfilter does not track balanced connections, which is faster",
            (Self::Conntrack, _) => {
                "netfilter tracks balanced connections, so rules may match and masquerade them"
            }
        }
    }

    /// What we recommend.
    pub const fn recommended(self) -> i64 {
        match self {
            Self::ExpireNodestConn | Self::ExpireQuiescentTemplate | Self::ConnReuseMode => 1,
            Self::Conntrack => 0,
        }
    }

    /// Why.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ExpireNodestConn => {
                "a client of a server that is gone learns it at once instead of waiting for a timeout; leave 0 where \
                 servers are deleted and added again within seconds"
            }
            Self::ExpireQuiescentTemplate => {
                "a server that is being drained, or is down and has weight 0, loses its persistent clients at their next \
                 connection; else they find it dead until the persistence ends"
            }
            Self::ConnReuseMode => {
                "busy clients, such as proxies, use ports again soon; with 0 they would keep hitting a drained server. \
                 Linux before 5.9 delays such a connection by a second if conntrack is 1 too"
            }
            Self::Conntrack => {
                "needed only where stateful or NAT rules of the firewall apply to balanced connections"
            }
        }
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A setting as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Which.
    pub sysctl: Sysctl,
    /// Its value; `None` where the kernel does not have it, as `conntrack` without `CONFIG_IP_VS_NFCT`.
    pub value: Option<i64>,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sysctl, value } = *self;
        let Some(value) = value else {
            return write!(f, "{sysctl}: this kernel does not have it");
        };
        write!(f, "{sysctl} = {value}: {}", sysctl.meaning(value))?;
        let recommended = sysctl.recommended();
        if value != recommended {
            write!(f, " (recommended is {recommended}: {})", sysctl.reason())?;
        }
        Ok(())
    }
}

/// A setting and the value that it is to have, as text `NAME=VALUE`; the name also with sysctl(8)'s `net.ipv4.vs.`
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub sysctl: Sysctl,
    /// The value, one of its [values](Sysctl::values).
    pub value: i64,
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.sysctl, self.value)
    }
}

/// Why a text names no setting, or no value of one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// There is no `=` in it.
    #[error("`{0}` is not NAME=VALUE")]
    Form(String),
    /// No setting has that name.
    #[error("`{name}` is none of {all}", name = .0, all = Sysctl::ALL.map(Sysctl::name).join(", "))]
    Name(String),
    /// It has no such value.
    #[error("`{text}` is no value of {name}: 0 to {most}", text = .1, name = .0, most = .0.values().end())]
    Value(Sysctl, String),
}

impl FromStr for Sysctl {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let name = text.strip_prefix("net.ipv4.vs.").unwrap_or(text);
        let found = Self::ALL.into_iter().find(|sysctl| sysctl.name() == name);
        found.ok_or_else(|| ParseError::Name(text.to_owned()))
    }
}

impl FromStr for Assignment {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (name, value) = text.split_once('=').ok_or_else(|| ParseError::Form(text.to_owned()))?;
        let sysctl: Sysctl = name.parse()?;
        let number = value.parse().ok().filter(|value| sysctl.values().contains(value));
        let value = number.ok_or_else(|| ParseError::Value(sysctl, value.to_owned()))?;
        Ok(Self { sysctl, value })
    }
}

/// The value of one; `None` where the kernel does not have it.
///
/// # Errors
/// When ip_vs is not loaded ([`io::ErrorKind::NotFound`]), and what the system says.
pub fn read(namespace: &Namespace, sysctl: Sysctl) -> io::Result<Option<i64>> {
    Ok(namespace.within(|| value(sysctl))?.value)
}

/// All of them.
///
/// # Errors
/// As [`read`].
pub fn read_all(namespace: &Namespace) -> io::Result<Vec<Setting>> {
    namespace.within(|| Sysctl::ALL.into_iter().map(value).collect())
}

/// Sets one, for the whole network namespace, and returns what it was. Nothing sets any unless asked.
///
/// # Errors
/// When ip_vs is not loaded or the kernel does not have it ([`io::ErrorKind::NotFound`]), without root of the
/// namespace's user namespace ([`io::ErrorKind::PermissionDenied`]), and what the system says.
pub fn replace(namespace: &Namespace, sysctl: Sysctl, value: i64) -> io::Result<i64> {
    namespace.within(|| {
        let before = self::value(sysctl)?.value;
        fs::write(path(sysctl), value.to_string()).map_err(|error| explain(sysctl, &error))?;
        // It was there to be written, so it was there to be read.
        Ok(before.unwrap_or(value))
    })
}

const FOLDER: &str = "/proc/sys/net/ipv4/vs";

fn path(sysctl: Sysctl) -> String {
    format!("{FOLDER}/{sysctl}")
}

fn value(sysctl: Sysctl) -> io::Result<Setting> {
    let text = match fs::read_to_string(path(sysctl)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::exists(FOLDER)? => {
            return Ok(Setting { sysctl, value: None });
        }
        Err(error) => return Err(explain(sysctl, &error)),
    };
    let value = text.trim().parse().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: `{}` is no number", path(sysctl), text.trim()),
        )
    })?;
    Ok(Setting { sysctl, value: Some(value) })
}

fn explain(sysctl: Sysctl, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => ": is ip_vs loaded?",
        _ => "",
    };
    io::Error::new(error.kind(), format!("{}: {error}{hint}", path(sysctl)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_a_name_and_one_of_its_values() {
        for text in ["expire_nodest_conn=1", "conn_reuse_mode=3", "conntrack=0"] {
            assert_eq!(text.parse::<Assignment>().unwrap().to_string(), text);
            assert_eq!(format!("net.ipv4.vs.{text}").parse(), text.parse::<Assignment>());
        }
        for (text, problem) in [
            ("conntrack", "`conntrack` is not NAME=VALUE"),
            ("conntrack=2", "`2` is no value of conntrack: 0 to 1"),
            ("conn_reuse_mode=", "`` is no value of conn_reuse_mode: 0 to 3"),
            (
                "drop=1",
                "`drop` is none of expire_nodest_conn, expire_quiescent_template, conn_reuse_mode, conntrack",
            ),
        ] {
            assert_eq!(text.parse::<Assignment>().unwrap_err().to_string(), problem);
        }
        for sysctl in Sysctl::ALL {
            assert!(sysctl.values().contains(&sysctl.recommended()));
            assert_eq!(sysctl.name().parse(), Ok(sysctl));
        }
    }

    #[test]
    fn a_setting_explains_itself_and_says_what_would_be_better() {
        for sysctl in Sysctl::ALL {
            let value = Some(sysctl.recommended());
            let good = Setting { sysctl, value }.to_string();
            assert!(good.starts_with(sysctl.name()) && !good.contains("recommended"), "{good}");
            let other = Setting { sysctl, value: Some(1 - sysctl.recommended()) }.to_string();
            assert!(other.contains("recommended is") && other.contains(sysctl.reason()), "{other}");
            assert_ne!(sysctl.meaning(0), sysctl.meaning(1));
            let none = Setting { sysctl, value: None }.to_string();
            assert!(none.contains("does not have it"), "{none}");
        }
    }
}
