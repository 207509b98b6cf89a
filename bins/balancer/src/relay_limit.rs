//! `--relay-limit`: what the relay, and single services of it, may take.

use std::{fmt, str::FromStr, time::Duration};

use lb_core::model::ServiceKey;
use lb_nat::relay::RelayConfig;
use lb_runtime::span::parse_span;

/// One limit: `udp-timeout=30s`, or `tcp:192.0.2.1:80:max-connections=500` for a single service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimit {
    /// `None` = the whole relay; for times, services that have none of their own.
    service: Option<ServiceKey>,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    MaxConnections(u32),
    ConnectTimeout(Duration),
    TcpTimeout(Duration),
    TcpFinTimeout(Duration),
    UdpTimeout(Duration),
}

/// What a relay is started with that has these limits; of several for the same the last one holds.
pub fn relay_config(limits: &[RelayLimit]) -> RelayConfig {
    let mut config = RelayConfig::default();
    for entry in limits.iter().filter(|entry| entry.service.is_none()) {
        match entry.limit {
            Limit::MaxConnections(count) => config.max_connections = Some(count),
            Limit::ConnectTimeout(time) => config.timeouts.connect = time,
            Limit::TcpTimeout(time) => config.timeouts.tcp = time,
            Limit::TcpFinTimeout(time) => config.timeouts.tcp_fin = time,
            Limit::UdpTimeout(time) => config.timeouts.udp = time,
        }
    }
    for RelayLimit { service, limit } in limits {
        let Some(service) = service else { continue };
        let own = config.services.entry(*service).or_default();
        match *limit {
            Limit::MaxConnections(count) => own.max_connections = Some(count),
            Limit::ConnectTimeout(time) => own.connect = Some(time),
            Limit::TcpTimeout(time) => own.tcp = Some(time),
            Limit::TcpFinTimeout(time) => own.tcp_fin = Some(time),
            Limit::UdpTimeout(time) => own.udp = Some(time),
        }
    }
    config
}

impl FromStr for RelayLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not a limit: write NAME=VALUE or SERVICE:NAME=VALUE"))?;
        let (service, name) = match name.rsplit_once(':') {
            Some((service, name)) => {
                let key = service.parse().map_err(|error| {
                    format!("`{service}` is not a service: {error}; write it as tcp:192.0.2.1:80")
                })?;
                (Some(key), name)
            }
            None => (None, name),
        };
        let time = || match parse_span(value)? {
            Duration::ZERO => Err(format!("`{text}`: a time limit is at least 1s")),
            time => Ok(time),
        };
        let limit = match name {
            "max-connections" => match value.parse() {
                Ok(count @ 1..) => Limit::MaxConnections(count),
                _ => return Err(format!("`{text}`: the number is 1 to {}", u32::MAX)),
            },
            "connect-timeout" => Limit::ConnectTimeout(time()?),
            "tcp-timeout" => Limit::TcpTimeout(time()?),
            "tcp-fin-timeout" => Limit::TcpFinTimeout(time()?),
            "udp-timeout" => Limit::UdpTimeout(time()?),
            _ => {
                return Err(format!(
                    "`{name}` is not a limit: max-connections, connect-timeout, tcp-timeout, tcp-fin-timeout or udp-timeout"
                ));
            }
        };
        Ok(Self { service, limit })
    }
}

impl fmt::Display for RelayLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = &self.service {
            write!(f, "{service}:")?;
        }
        let (name, time) = match self.limit {
            Limit::MaxConnections(count) => return write!(f, "max-connections={count}"),
            Limit::ConnectTimeout(time) => ("connect-timeout", time),
            Limit::TcpTimeout(time) => ("tcp-timeout", time),
            Limit::TcpFinTimeout(time) => ("tcp-fin-timeout", time),
            Limit::UdpTimeout(time) => ("udp-timeout", time),
        };
        write!(f, "{name}={}s", time.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use lb_nat::relay::ServiceLimits;

    use super::*;

    #[test]
    fn limits_hold_for_the_relay_or_for_a_service() {
        let words = [
            "tcp:192.0.2.1:80:max-connections=500",
            "tcp:192.0.2.1:80:tcp-timeout=60s",
            "udp:[2001:db8::1]:53:udp-timeout=5s",
            "max-connections=1000",
            "udp-timeout=30s",
            "connect-timeout=2s",
            "tcp-fin-timeout=10s",
        ];
        let limits = words.map(|word| word.parse::<RelayLimit>().unwrap());
        assert_eq!(limits.map(|limit| limit.to_string()), words, "they are handed on as they were given");
        let config = relay_config(&limits);
        assert_eq!(config.max_connections, Some(1000));
        assert_eq!(config.timeouts.udp, Duration::from_secs(30));
        assert_eq!(config.timeouts.connect, Duration::from_secs(2));
        assert_eq!(config.timeouts.tcp_fin, Duration::from_secs(10));
        let web = ServiceLimits {
            max_connections: Some(500),
            tcp: Some(Duration::from_secs(60)),
            ..ServiceLimits::default()
        };
        assert_eq!(config.services[&"tcp:192.0.2.1:80".parse().unwrap()], web);
        let dns = config.services[&"udp:[2001:db8::1]:53".parse().unwrap()].timeouts(config.timeouts);
        assert_eq!((dns.udp, dns.tcp), (Duration::from_secs(5), Duration::from_secs(900)));
    }

    #[test]
    fn mistakes_are_named_with_their_remedy() {
        for (text, said) in [
            ("max-connections", "write NAME=VALUE or SERVICE:NAME=VALUE"),
            ("max-connections=0", "the number is 1 to 4294967295"),
            ("udp-timeout=0", "at least 1s"),
            ("udp-timeout=soon", "write it as 90s"),
            ("udp=5s", "tcp-fin-timeout or udp-timeout"),
            ("192.0.2.1:udp-timeout=5s", "write it as tcp:192.0.2.1:80"),
        ] {
            let error = text.parse::<RelayLimit>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
