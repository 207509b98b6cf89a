use std::{path::PathBuf, time::Duration};

use lb_health::{
    Pattern, Payload, Target,
    probe::{
        dns::RecordType,
        http::{BodyDigest, StatusSet},
        udp::Reply,
    },
};

use super::notify::ScriptCommand;

/// How a real server is checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Checker {
    /// What is looked at.
    pub kind: CheckerKind,
    /// `connect_ip` and `connect_port` (default: those of the real server), `bindto`, `bind_if`, `fwmark`.
    pub target: Target,
    /// How often and how long.
    pub pace: Pace,
    /// `alpha`: the server counts as down until this check has passed. Default: up until it has failed.
    pub alpha: bool,
}

/// How often a server is looked at, how long a look may take, and how many make a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// `delay_loop`: from one look to the next. Default 60 s.
    pub delay_loop: Duration,
    /// `connect_timeout`, or for MISC_CHECK `misc_timeout`: a look that takes longer has failed. Default 5 s, for
    /// MISC_CHECK `delay_loop`.
    pub timeout: Duration,
    /// `retry`: failures in a row, after the first, that take a server down. Default 1; DNS_CHECK 3, MISC_CHECK 0.
    pub retry: u32,
    /// `delay_before_retry`: from a failure to the next look while the server is up. Default 1 s; HTTP_GET and
    /// SSL_GET 3 s, DNS_CHECK `delay_loop`.
    pub delay_before_retry: Duration,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckerKind {
    /// `HTTP_GET`, or `SSL_GET` with the name that TLS asks for.
    Http {
        /// What is asked, one after the other; at least one.
        urls: Vec<Url>,
        /// `http_protocol`. Default 1.0.
        version: HttpVersion,
        /// `SSL_GET`.
        tls: Option<Sni>,
    },
    /// `TCP_CHECK`.
    Tcp,
    /// `UDP_CHECK`.
    Udp {
        /// `payload`. Default: a few bytes.
        payload: Payload,
        /// `require_reply`, with `min_reply_length` and `max_reply_length`; `None`: silence will do.
        reply: Option<Reply>,
    },
    /// `PING_CHECK`.
    Ping,
    /// `SMTP_CHECK`.
    Smtp {
        /// `helo_name`. Default: the `smtp_helo_name` of `global_defs`, else the host's name, found out when needed.
        hello: Option<String>,
    },
    /// `DNS_CHECK`: up if the server answers without an error.
    Dns {
        /// `type`. Default SOA.
        record: RecordType,
        /// `name`. Default `.`.
        name: String,
    },
    /// `MISC_CHECK`.
    Misc {
        /// `misc_path` and `user`.
        command: ScriptCommand,
        /// `misc_dynamic`: exit status 2 to 255 is up with that weight plus 2.
        dynamic: bool,
    },
    /// `FILE_CHECK`: the number in a file, times a factor, is added to the weight.
    File {
        /// The name of the `track_file`. It exists.
        name: String,
        /// Its path.
        path: PathBuf,
        /// `weight`, or that of the `track_file`, -2147483647 to 2147483647, negative already if reversed. 0: any
        /// number but 0 takes the server down.
        weight: i64,
    },
}

/// `url` of an HTTP check.
#[derive(Clone, Debug, PartialEq)]
pub struct Url {
    /// `path`. Begins with a slash.
    pub path: String,
    /// `virtualhost`: of the URL, else of the check, the real server, the virtual server. Default: the target's
    /// address.
    pub host: Option<String>,
    /// `status_code`. Default 200-299.
    pub status: StatusSet,
    /// `digest`: the MD5 sum of the body.
    pub digest: Option<BodyDigest>,
    /// `regex`, with `regex_options` and `regex_no_match`.
    pub pattern: Option<BodyPattern>,
}

/// A regular expression for a body.
#[derive(Clone, Debug, PartialEq)]
pub struct BodyPattern {
    /// The expression, options included.
    pub pattern: Pattern,
    /// `regex_no_match`: it must not occur.
    pub absent: bool,
}

/// `http_protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// `1.0` and `1.0C`: both say that the connection ends with the answer.
    #[default]
    V1_0,
    /// `1.1`.
    V1_1,
}

/// What name TLS asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sni {
    /// None.
    #[default]
    Off,
    /// `enable_sni`: the virtual host.
    VirtualHost,
}
