//! The probe that speaks the protocol of `service=`.
//!
//! It asks what ldirectord asks, and judges better where ldirectord is known to be wrong: a POP, IMAP or FTP server
//! that is dead is down here even without a login or a pattern.

use std::{fmt::Display, net::SocketAddr, sync::Arc};

use lb_core::model::Protocol;
use lb_health::{
    HealthCheck, Login, Pattern, Payload, Secret, Security,
    probe::{
        constant::AlwaysUp,
        dns::{Dns, Expect},
        ftp::Ftp,
        http::{BodyRules, Http, HttpSettings},
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
    tls::TlsSettings,
};

use crate::config::ldirectord::{CheckService, Real, Virtual};

/// Redirects that an HTTP check follows, as long as they stay on the server that is checked.
const REDIRECTS: u8 = 7;

pub(super) fn probe(service: &Virtual, real: &Real) -> Result<Arc<dyn HealthCheck>, String> {
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
            return Err(
                "service=oracle needs Oracle's own client; use checktype=external with a program that has it"
                    .into(),
            );
        }
    })
}

/// Certificates are not verified: ldirectord does not, and the servers are asked by their addresses.
fn tls(service: &Virtual) -> TlsSettings {
    TlsSettings { verify: false, server_name: service.check.virtual_host.clone(), ..TlsSettings::default() }
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

    fn receive(&self) -> Result<Option<Pattern>, String> {
        let receive = self.service.receive(self.real).filter(|receive| !receive.is_empty());
        receive.map(Pattern::new).transpose().map_err(|error| format!("receive: {error}"))
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

    fn settings(&self) -> Result<HttpSettings, String> {
        let request = self.request().unwrap_or_default();
        let slash = if request.starts_with('/') { "" } else { "/" };
        Ok(HttpSettings {
            method: self.service.check.http_method.to_string(),
            path: format!("{slash}{request}"),
            host: self.service.check.virtual_host.clone(),
            login: self.login(),
            body: BodyRules { matches: self.receive()?, ..BodyRules::default() },
            redirects: REDIRECTS,
            ..HttpSettings::default()
        })
    }

    fn http(&self, tls: Option<TlsSettings>) -> Result<Arc<dyn HealthCheck>, String> {
        Ok(Arc::new(Http::new(HttpSettings { tls, ..self.settings()? }).map_err(request)?))
    }

    /// The request is the URL that the proxy has to fetch; a path alone is one on the proxy itself.
    fn http_proxy(&self) -> Result<Arc<dyn HealthCheck>, String> {
        let settings = HttpSettings { redirects: 0, ..self.settings()? };
        let url = match self.request().filter(|request| request.contains("://")) {
            Some(url) => url.to_owned(),
            None => {
                let port = self.service.check_port(self.real).unwrap_or(self.real.key.port);
                let itself = SocketAddr::new(self.real.key.address, port).to_string();
                let host = settings.host.as_deref().unwrap_or(&itself);
                format!("http://{host}{}", settings.path)
            }
        };
        Ok(Arc::new(HttpProxy::new(&url, settings).map_err(request)?))
    }

    fn ftp(&self) -> Result<Arc<dyn HealthCheck>, String> {
        let anonymous = || Login::new("anonymous", "ldirectord@localhost");
        Ok(Arc::new(Ftp {
            login: self.login().unwrap_or_else(anonymous),
            path: self.request().map(str::to_owned),
            expect: self.receive()?,
            ..Ftp::default()
        }))
    }

    fn dns(&self) -> Result<Arc<dyn HealthCheck>, String> {
        let tcp = self.service.key.protocol() == Some(Protocol::Tcp);
        let expect = self.receive()?.map_or(Expect::Record, Expect::Match);
        Ok(Arc::new(Dns { name: self.query("."), expect, tcp, ..Dns::default() }))
    }

    fn ldap(&self, security: Security) -> Result<Arc<dyn HealthCheck>, String> {
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

    fn simpletcp(&self) -> Result<Arc<dyn HealthCheck>, String> {
        let request = self.request().unwrap_or_default().replace("\\n", "\n");
        Ok(Arc::new(SimpleTcp {
            request: Payload::from_bytes(request),
            half_close: true,
            expect: self.receive()?,
            ..SimpleTcp::default()
        }))
    }
}

fn request(error: impl Display) -> String {
    format!("request: {error}")
}
