//! The values that directives take.

use std::{fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use serde::Serialize;

/// `checktype`: what a check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckType {
    /// Speak the protocol of [`Check::service`](super::Check::service).
    Negotiate,
    /// Open a TCP connection; for UDP services a ping.
    Connect,
    /// ICMP echo.
    Ping,
    /// Run [`Check::command`](super::Check::command); exit status 0 means up.
    External,
    /// The same with a Perl script, which ldirectord evaluates in its own process.
    ExternalPerl,
    /// Always up, no check.
    On,
    /// Never up, no check.
    Off,
    /// After so many connect checks one negotiate check.
    Alternate(u32),
}

impl fmt::Display for CheckType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Negotiate => "negotiate",
            Self::Connect => "connect",
            Self::Ping => "ping",
            Self::External => "external",
            Self::ExternalPerl => "external-perl",
            Self::On => "on",
            Self::Off => "off",
            Self::Alternate(connects) => return connects.fmt(f),
        })
    }
}

macro_rules! services {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $port:expr;)+) => {
        /// `service`: the protocol that a negotiate check speaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum CheckService {
            $($(#[$doc])* $variant,)+
        }

        impl CheckService {
            /// All of them, in alphabetical order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word of ldirectord.cf.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The port that a server of this protocol usually listens on.
            pub const fn default_port(self) -> Option<u16> {
                match self { $(Self::$variant => $port,)+ }
            }
        }
    };
}

services! {
    /// DNS query.
    Dns = "dns", Some(53);
    /// FTP login and download.
    Ftp = "ftp", Some(21);
    /// HTTP request.
    Http = "http", Some(80);
    /// HTTP request through the server as a proxy.
    HttpProxy = "http_proxy", Some(3128);
    /// HTTP request over TLS.
    Https = "https", Some(443);
    /// IMAP login.
    Imap = "imap", Some(143);
    /// IMAP login over TLS.
    Imaps = "imaps", Some(993);
    /// LDAP bind and search.
    Ldap = "ldap", Some(389);
    /// LDAP bind and search over TLS.
    Ldaps = "ldaps", Some(636);
    /// MySQL query.
    Mysql = "mysql", Some(3306);
    /// NNTP greeting.
    Nntp = "nntp", Some(119);
    /// No negotiation: always up.
    None = "none", None;
    /// Oracle query.
    Oracle = "oracle", Some(1521);
    /// PostgreSQL query.
    Pgsql = "pgsql", Some(5432);
    /// POP3 login.
    Pop = "pop", Some(110);
    /// POP3 login over TLS.
    Pops = "pops", Some(995);
    /// RADIUS access request.
    Radius = "radius", Some(1812);
    /// Send a text over TCP and look for another in the answer.
    Simpletcp = "simpletcp", None;
    /// SIP OPTIONS.
    Sip = "sip", Some(5060);
    /// SMTP greeting.
    Smtp = "smtp", Some(25);
    /// SMTP greeting on the submission port.
    Submission = "submission", Some(587);
}

impl CheckService {
    /// By the word of ldirectord.cf.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|service| service.name() == name)
    }

    /// The default of a virtual service on this port.
    pub fn of_port(port: u16) -> Self {
        Self::ALL.iter().copied().find(|service| service.default_port() == Some(port)).unwrap_or(Self::None)
    }
}

impl fmt::Display for CheckService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// `httpmethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Headers and body.
    Get,
    /// Headers only.
    Head,
}

impl fmt::Display for HttpMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        })
    }
}

/// In which states of the daemon mails are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AlertStates {
    /// While it starts.
    pub starting: bool,
    /// While it runs.
    pub running: bool,
    /// While it stops.
    pub stopping: bool,
    /// While it reads its configuration again.
    pub reloading: bool,
}

impl AlertStates {
    /// Always.
    pub const ALL: Self = Self { starting: true, running: true, stopping: true, reloading: true };
    /// Never.
    pub const NONE: Self = Self { starting: false, running: false, stopping: false, reloading: false };
}

/// `logfile`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogTarget {
    /// A file: the value begins with `/`.
    File(PathBuf),
    /// A facility of syslog, such as `local0`.
    Syslog(String),
}

impl Default for LogTarget {
    fn default() -> Self {
        Self::File("/var/log/ldirectord.log".into())
    }
}

/// A time in whole seconds, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Seconds(NonZeroU32);

impl Seconds {
    /// So many seconds; 0 becomes 1.
    pub const fn new(seconds: u32) -> Self {
        match NonZeroU32::new(seconds) {
            Some(seconds) => Self(seconds),
            None => Self(NonZeroU32::MIN),
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0.get() as u64)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A password: shown in no log, listing or JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What stands in its place.
    pub const MASK: &str = "********";

    /// Keeps a text from being shown.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, to be handed to a check.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::MASK)
    }
}
