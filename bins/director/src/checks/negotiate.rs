//! The probe that speaks the protocol of `service=`.
//!
//! It asks what ldirectord asks, and judges better where ldirectord is known to be wrong: a POP, IMAP or FTP server
//! that is dead is down here even without a login or a pattern.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use lb_config::ldirectord::{CheckService, Directive, HttpMethod, Real, Virtual};
use lb_core::model::Protocol;
use lb_health::{
    HealthCheck, Login, Pattern, Payload, Secret, Security,
    probe::{
        constant::AlwaysUp,
        dns::{Dns, Expect},
        ftp::Ftp,
        http::{self, BodyRules, Http, HttpError, HttpSettings},
        http_proxy::HttpProxy,
        imap::Imap,
        ldap::Ldap,
        mysql::Mysql,
        nntp::Nntp,
        pgsql::Pgsql,
        pop::Pop,
        radius::Radius,
        simpletcp::SimpleTcp,
        sip::Sip,
        smtp::Smtp,
    },
    tls::{self, TlsSettings},
};

use super::Problem;

/// Redirects that an HTTP check follows, as libwww-perl does.
const REDIRECTS: u8 = 7;

pub(super) fn probe(service: &Virtual, real: &Real) -> Result<Arc<dyn HealthCheck>, Problem> {
    let ask = Question { service, real };
    Ok(match service.check.service {
        CheckService::None => Arc::new(AlwaysUp),
        CheckService::Http => ask.http(None)?,
        CheckService::Https => ask.http(Some(tls(service)))?,
        CheckService::HttpProxy => ask.http_proxy()?,
        CheckService::Smtp | CheckService::Submission => Arc::new(Smtp::default()),
        CheckService::Ftp => ask.ftp()?,
        CheckService::Dns => ask.dns()?,
        CheckService::Imap => Arc::new(Imap { login: ask.login(), ..Imap::default() }),
        CheckService::Imaps => Arc::new(Imap { login: ask.login(), security: ask.tls() }),
        CheckService::Pop => Arc::new(Pop { login: ask.login(), ..Pop::default() }),
        CheckService::Pops => Arc::new(Pop { login: ask.login(), security: ask.tls() }),
        CheckService::Nntp => Arc::new(Nntp::default()),
        CheckService::Ldap => ask.ldap(Security::Plain)?,
        CheckService::Ldaps => ask.ldap(ask.tls())?,
        CheckService::Sip => ask.sip(),
        CheckService::Radius => ask.radius(),
        CheckService::Mysql => Arc::new(Mysql {
            login: ask.login(),
            database: service.check.database.clone(),
            query: ask.query("SELECT 1"),
            ..Mysql::default()
        }),
        CheckService::Pgsql => Arc::new(Pgsql {
            login: ask.login(),
            database: service.check.database.clone(),
            query: ask.query("SELECT 1"),
            ..Pgsql::default()
        }),
        CheckService::Simpletcp => ask.simpletcp()?,
        CheckService::Oracle => {
            return Err(Problem::new(
                Directive::Service,
                "service=oracle needs Oracle's own client; use checktype=external with a program that has it",
            ));
        }
    })
}

/// Certificates are not verified: ldirectord does not, and the servers are asked by their addresses.
fn tls(service: &Virtual) -> TlsSettings {
    let host = service.check.virtual_host.as_deref().and_then(tls::host_name);
    TlsSettings { verify: false, server_name: host.map(str::to_owned), ..TlsSettings::default() }
}

struct Question<'a> {
    service: &'a Virtual,
    real: &'a Real,
}

impl Question<'_> {
    fn request(&self) -> Option<&str> {
        self.service.request(self.real).filter(|request| !request.is_empty())
    }

    fn query(&self, default: &str) -> String {
        self.request().unwrap_or(default).to_owned()
    }

    fn receive(&self) -> Result<Option<Pattern>, Problem> {
        let receive = self.service.receive(self.real).filter(|receive| !receive.is_empty());
        receive.map(Pattern::new).transpose().map_err(|error| {
            let directive =
                if self.real.receive.is_some() { Directive::Real } else { Directive::Receive };
            let why = format!(
                "`receive` is not a regular expression: {}; a character that is meant itself is written with a \\ before it",
                error.reason
            );
            Problem::new(directive, why)
        })
    }

    fn password(&self) -> &str {
        self.service.check.password.as_ref().map_or("", |password| password.reveal())
    }

    fn login(&self) -> Option<Login> {
        let user = self.service.check.login.as_deref()?;
        Some(Login::new(user, self.password()))
    }

    fn tls(&self) -> Security {
        Security::tls(tls(self.service))
    }

    fn settings(&self) -> Result<HttpSettings, Problem> {
        let receive = self.receive()?;
        if self.service.check.http_method == HttpMethod::Head
            && receive.as_ref().is_some_and(|pattern| !pattern.matches("").unwrap_or_default())
        {
            let why = "`receive` with httpmethod HEAD: an answer without a body cannot match; use GET";
            return Err(Problem::new(Directive::HttpMethod, why));
        }
        let request = self.request().unwrap_or_default();
        let slash = if request.starts_with('/') { "" } else { "/" };
        Ok(HttpSettings {
            method: self.service.check.http_method.to_string(),
            path: http::encode(format!("{slash}{request}")),
            host: Some(self.service.check.virtual_host.clone().unwrap_or_else(|| self.address())),
            login: self.login(),
            body: BodyRules { matches: receive, ..BodyRules::default() },
            redirects: REDIRECTS,
            other_hosts: true,
            ..HttpSettings::default()
        })
    }

    /// The server's address as ldirectord writes it into the `Host` header: without the port.
    fn address(&self) -> String {
        match self.real.key.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        }
    }

    /// The request of a `real` line may be a URL, which is asked instead of the server.
    fn http(&self, tls: Option<TlsSettings>) -> Result<Arc<dyn HealthCheck>, Problem> {
        let scheme = if tls.is_some() { "https://" } else { "http://" };
        let url =
            self.real.request.as_deref().filter(|request| request.starts_with(scheme)).map(http::encode);
        Ok(Arc::new(Http::new(HttpSettings { tls, url, ..self.settings()? }).map_err(request)?))
    }

    /// The request is the URL that the proxy has to fetch; a path alone is one on the proxy itself.
    fn http_proxy(&self) -> Result<Arc<dyn HealthCheck>, Problem> {
        let settings = self.settings()?;
        let url = match self.request().filter(|request| request.contains("://")) {
            Some(url) => http::encode(url),
            None => {
                let port = self.service.check_port(self.real).unwrap_or(self.real.key.port);
                let itself = SocketAddr::new(self.real.key.address, port).to_string();
                let host = self.service.check.virtual_host.as_deref().unwrap_or(&itself);
                format!("http://{host}{}", settings.path)
            }
        };
        Ok(Arc::new(HttpProxy::new(&url, settings).map_err(request)?))
    }

    fn ftp(&self) -> Result<Arc<dyn HealthCheck>, Problem> {
        let anonymous = || Login::new("anonymous", "ldirectord@localhost");
        Ok(Arc::new(Ftp {
            login: self.login().unwrap_or_else(anonymous),
            // Not relative to the folder of the user who logs in.
            path: self.request().map(|path| format!("/{}", path.trim_start_matches('/'))),
            expect: self.receive()?,
            ..Ftp::default()
        }))
    }

    fn dns(&self) -> Result<Arc<dyn HealthCheck>, Problem> {
        let tcp = self.service.key.protocol() == Some(Protocol::Tcp);
        let expect = self.receive()?.map_or(Expect::Record, Expect::Match);
        Ok(Arc::new(Dns { name: self.query("."), expect, tcp, ..Dns::default() }))
    }

    fn ldap(&self, security: Security) -> Result<Arc<dyn HealthCheck>, Problem> {
        let login = self.login().filter(|_| !self.password().is_empty());
        Ok(Arc::new(Ldap { security, login, base: self.query(""), expect: self.receive()? }))
    }

    fn sip(&self) -> Arc<dyn HealthCheck> {
        let uri = self.service.check.login.as_ref().map(|login| format!("sip:{login}"));
        let tcp = self.service.key.protocol() == Some(Protocol::Tcp);
        Arc::new(Sip { tcp, uri, ..Sip::default() })
    }

    fn radius(&self) -> Arc<dyn HealthCheck> {
        let secret = self.service.check.secret.as_ref().map_or("", |secret| secret.reveal());
        let login = Login::new(self.service.check.login.as_deref().unwrap_or_default(), self.password());
        Arc::new(Radius { secret: Secret::new(secret), login, ..Radius::default() })
    }

    fn simpletcp(&self) -> Result<Arc<dyn HealthCheck>, Problem> {
        let request = self.request().unwrap_or_default().replace("\\n", "\n");
        Ok(Arc::new(SimpleTcp {
            request: Payload::from_bytes(request),
            half_close: true,
            expect: self.receive()?,
            ..SimpleTcp::default()
        }))
    }
}

fn request(error: HttpError) -> Problem {
    let directive = match error {
        HttpError::Host(_) => Directive::VirtualHost,
        HttpError::Header(_) => Directive::Login,
        _ => Directive::Request,
    };
    Problem::new(directive, format!("this cannot be asked by HTTP: {error}"))
}
