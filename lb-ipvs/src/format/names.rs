//! How addresses and ports are shown.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lb_core::model::Protocol;

/// How addresses and ports are shown.
#[derive(Clone, Copy)]
pub enum Names<'a> {
    /// As numbers (`-n`).
    Numeric,
    /// By the names that are known, else as numbers.
    Known(&'a dyn Known),
}

/// Names of hosts and services.
pub trait Known {
    /// The name of a host, without brackets.
    fn host(&self, address: IpAddr) -> Option<String>;

    /// The name of a port.
    fn port(&self, port: u16, protocol: Protocol) -> Option<String>;
}

/// As many bytes of a name with its port are shown.
const SHOWN: usize = 59;

impl Names<'_> {
    /// `10.0.0.1:80`, `[2001:db8::1]:https`, `web:http`. Without a protocol the port is a number.
    pub(super) fn socket(self, socket: SocketAddr, protocol: Option<Protocol>) -> String {
        let Names::Known(known) = self else {
            return joined(socket, &number(socket.ip()), &socket.port().to_string());
        };
        let port = match protocol {
            Some(protocol) if socket.port() != 0 => known.port(socket.port(), protocol),
            _ => None,
        };
        let port = port.unwrap_or_else(|| socket.port().to_string());
        let host = known.host(socket.ip()).unwrap_or_else(|| number(socket.ip()));
        let mut text = joined(socket, &host, &port);
        text.truncate(text.floor_char_boundary(SHOWN));
        text
    }
}

fn joined(socket: SocketAddr, host: &str, port: &str) -> String {
    match socket {
        SocketAddr::V4(_) => format!("{host}:{port}"),
        SocketAddr::V6(_) => format!("[{host}]:{port}"),
    }
}

/// As inet_ntop(3), which has `::0.5.0.128` where the standard library has `::5:80`.
fn number(address: IpAddr) -> String {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
                format!("::{}", Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
            }
            _ => v6.to_string(),
        },
        IpAddr::V4(v4) => v4.to_string(),
    }
}
