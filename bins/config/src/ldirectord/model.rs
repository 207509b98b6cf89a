//! What an ldirectord.cf says, once every name is resolved and every default filled in.
//!
//! A [`Virtual`] holds its *effective* values: what it sets itself, else what the file sets globally, else the
//! default of ldirectord 4.12 (measured, since its manual differs in places). So nobody has to look anything up
//! in [`Globals`], which hold only what exists once per daemon.

use std::path::PathBuf;

use lb_core::model::{ServerKey, ServerSpec, Service, ServiceKey, ServiceSpec, ServiceTable};
use serde::Serialize;

use super::values::{AlertStates, CheckService, CheckType, HttpMethod, LogTarget, Seconds, Secret};

/// A whole configuration file, resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Config {
    /// What exists once per daemon.
    pub globals: Globals,
    /// Virtual services in the order of the file. No two have the same key.
    pub virtuals: Vec<Virtual>,
}

impl Config {
    /// The table that a data plane would hold with every real server up; fallbacks are left out.
    ///
    /// Where two real servers of a service have the same key the first one counts.
    pub fn table(&self) -> ServiceTable {
        let mut table = ServiceTable::new();
        for service in &self.virtuals {
            let mut entry = Service::new(service.spec.clone());
            for real in &service.reals {
                entry.servers.entry(real.key).or_insert(real.spec);
            }
            table.services.entry(service.key).or_insert(entry);
        }
        table
    }
}

/// What exists once per daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Globals {
    /// `checkinterval`: pause between two rounds of checks. Default 10 s. Each virtual service has its own,
    /// which this is the default of.
    pub check_interval: Seconds,
    /// `autoreload`: read the file again when it changed. Default no.
    pub autoreload: bool,
    /// `callback`: program to run, with the path of the configuration, after the file changed.
    pub callback: Option<String>,
    /// `logfile`. Default [`LogTarget::default`].
    pub log: LogTarget,
    /// `execute`: names of other configurations that are started and stopped along with this one.
    pub execute: Vec<String>,
    /// `supervised`: stay in the foreground and log to standard output. Default no.
    pub supervised: bool,
    /// `fork`: one process per virtual service. Default no.
    pub fork: bool,
    /// `readdquiescent`: put a down server that is missing from the table back, with weight 0. Default no.
    pub readd_quiescent: bool,
    /// `emailalertfrom`: sender of the alerts.
    pub email_from: Option<String>,
    /// `maintenancedir`: a file there named after a real server takes it down.
    pub maintenance_dir: Option<PathBuf>,
}

impl Default for Globals {
    fn default() -> Self {
        Self {
            check_interval: Seconds::new(10),
            autoreload: false,
            callback: None,
            log: LogTarget::default(),
            execute: Vec::new(),
            supervised: false,
            fork: false,
            readd_quiescent: false,
            email_from: None,
            maintenance_dir: None,
        }
    }
}

/// One `virtual=` or `virtual6=` section, with effective values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Virtual {
    /// Address, port and protocol, or firewall mark.
    pub key: ServiceKey,
    /// Scheduler, persistence, one-packet scheduling.
    pub spec: ServiceSpec,
    /// How the real servers are checked.
    pub check: Check,
    /// Real servers in the order of the file, address ranges expanded.
    pub reals: Vec<Real>,
    /// `fallback`: who serves while no real server is up.
    pub fallback: Option<Fallback>,
    /// `fallbackcommand`: run with `start` when the last real server goes down, with `stop` when the first is back.
    pub fallback_command: Option<String>,
    /// `quiescent`: a real server that is down keeps its place with weight 0 instead of being removed.
    /// Default no (ldirectord's manual says yes; its code says no).
    pub quiescent: bool,
    /// `cleanstop`: remove the service from the table when the daemon stops. Default yes.
    pub clean_stop: bool,
    /// `emailalert` and what belongs to it; `None` = no mail.
    pub email: Option<EmailAlert>,
    /// `monitorfile`: every result of a check is appended there.
    pub monitor_file: Option<PathBuf>,
    /// `servicename`: shown in mails.
    pub name: Option<String>,
    /// `comment`: shown in mails.
    pub comment: Option<String>,
}

impl Virtual {
    /// The port that a check of this real server connects to: `checkport`, else the server's port, else the
    /// usual port of the checked service (`service=http` → 80). `None` when none of them says.
    pub fn check_port(&self, real: &Real) -> Option<u16> {
        self.check
            .port
            .or(Some(real.key.port).filter(|&port| port != 0))
            .or_else(|| self.check.service.default_port())
    }

    /// What a check of this real server asks for: its own request, else that of the section.
    pub fn request<'a>(&'a self, real: &'a Real) -> Option<&'a str> {
        real.request.as_deref().or(self.check.request.as_deref())
    }

    /// The pattern that the answer of this real server has to match: its own, else that of the section.
    pub fn receive<'a>(&'a self, real: &'a Real) -> Option<&'a str> {
        real.receive.as_deref().or(self.check.receive.as_deref())
    }
}

/// How the real servers of a virtual service are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `checktype`. Default negotiate.
    pub kind: CheckType,
    /// `service`: the protocol of a negotiate check. The default follows from the virtual port.
    pub service: CheckService,
    /// `checkport`: replaces the real server's port in checks, 1 to 65,535. See [`Virtual::check_port`].
    pub port: Option<u16>,
    /// Effective `checktimeout`, of connect, ping and external checks. Default 5 s.
    pub check_timeout: Seconds,
    /// Effective `negotiatetimeout`, of negotiate checks. Default 30 s.
    pub negotiate_timeout: Seconds,
    /// Effective `checkinterval`. ldirectord itself heeds a section's only with `fork = yes`; here it is
    /// always the section's.
    pub interval: Seconds,
    /// `checkcount`: attempts of one ping check, at least 1. Default 1.
    pub attempts: u32,
    /// `failurecount`: consecutive failed checks until a server is down, at least 1. Default 1.
    pub failures: u32,
    /// `request` as written; a check of HTTP adds the leading `/` when it is missing.
    pub request: Option<String>,
    /// `receive`: regular expression of Perl.
    pub receive: Option<String>,
    /// `httpmethod`. Default GET.
    pub http_method: HttpMethod,
    /// `virtualhost`: the `Host` header of HTTP checks.
    pub virtual_host: Option<String>,
    /// `login`.
    pub login: Option<String>,
    /// `passwd`.
    pub password: Option<Secret>,
    /// `database`, for SQL.
    pub database: Option<String>,
    /// `secret`, for RADIUS.
    pub secret: Option<Secret>,
    /// `checkcommand`, for external checks. Default `/bin/true`.
    pub command: Option<String>,
}

impl Check {
    /// The path of an external check's program.
    pub fn command(&self) -> &str {
        self.command.as_deref().unwrap_or("/bin/true")
    }

    /// The timeout that applies to this check as a whole.
    pub const fn timeout(&self) -> Seconds {
        match self.kind {
            CheckType::Negotiate | CheckType::Alternate(_) => self.negotiate_timeout,
            _ => self.check_timeout,
        }
    }
}

impl Default for Check {
    fn default() -> Self {
        Self {
            kind: CheckType::Negotiate,
            service: CheckService::None,
            port: None,
            check_timeout: Seconds::new(5),
            negotiate_timeout: Seconds::new(30),
            interval: Seconds::new(10),
            attempts: 1,
            failures: 1,
            request: None,
            receive: None,
            http_method: HttpMethod::Get,
            virtual_host: None,
            login: None,
            password: None,
            database: None,
            secret: None,
            command: None,
        }
    }
}

/// One real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Real {
    /// Address and port; port 0 = the port that the client asked for.
    pub key: ServerKey,
    /// Weight (0 to 65,535, default 1), forwarding method, thresholds.
    pub spec: ServerSpec,
    /// Its own request, see [`Virtual::request`].
    pub request: Option<String>,
    /// Its own pattern, see [`Virtual::receive`].
    pub receive: Option<String>,
}

/// Who serves while no real server is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// Address and port; a fallback without a port has that of its virtual service (0 for a firewall mark).
    pub key: ServerKey,
    /// The weight is always 1; the forwarding method is `gate` unless given.
    pub spec: ServerSpec,
}

/// Mail about changes of real servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmailAlert {
    /// `emailalert`: addresses, separated by commas, as written.
    pub to: String,
    /// `emailalertfreq`: how often the mail is repeated while a server is down; `None` (0) = never.
    pub repeat: Option<Seconds>,
    /// `emailalertstatus`: in which states of the daemon mails are sent. Default all.
    pub during: AlertStates,
    /// `smtp`: mail server; `None` = the local mail program.
    pub smtp: Option<String>,
}
