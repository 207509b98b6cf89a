//! The header of HAProxy's PROXY protocol (`proxy-protocol.txt`, versions 1 and 2).

use std::net::SocketAddr;

use super::config::ProxyProtocol;

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, command PROXY.
const PROXY: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

/// The header for a TCP connection from `source` to `destination`, which are of one family.
pub(super) fn header(version: ProxyProtocol, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    match version {
        ProxyProtocol::V1 => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            format!(
                "PROXY {family} {} {} {} {}\r\n",
                source.ip(),
                destination.ip(),
                source.port(),
                destination.port()
            )
            .into_bytes()
        }
        ProxyProtocol::V2 => {
            let mut header = SIGNATURE.to_vec();
            header.push(PROXY);
            match (source, destination) {
                (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
                    header.extend([TCP_OVER_IPV4, 0, 12]);
                    header.extend(source.ip().octets());
                    header.extend(destination.ip().octets());
                }
                _ => {
                    header.extend([TCP_OVER_IPV6, 0, 36]);
                    for address in [source, destination] {
                        let ip = match address {
                            SocketAddr::V4(address) => address.ip().to_ipv6_mapped(),
                            SocketAddr::V6(address) => *address.ip(),
                        };
                        header.extend(ip.octets());
                    }
                }
            }
            header.extend(source.port().to_be_bytes());
            header.extend(destination.port().to_be_bytes());
            header
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_is_the_line_of_the_specification() {
        // The example of section 2.1, and the longest line for TCP6.
        let v4 = header(
            ProxyProtocol::V1,
            "192.168.0.1:56324".parse().unwrap(),
            "192.168.0.11:443".parse().unwrap(),
        );
        assert_eq!(v4, b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
        let all: SocketAddr = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap();
        let v6 = header(ProxyProtocol::V1, all, all);
        assert!(v6.starts_with(b"PROXY TCP6 ffff:"), "{v6:?}");
        assert!(v6.len() <= 107, "the specification's largest line");
    }

    #[test]
    fn version_2_is_the_bytes_of_the_specification() {
        let v4 = header(ProxyProtocol::V2, "1.2.3.4:256".parse().unwrap(), "5.6.7.8:443".parse().unwrap());
        let mut expected =
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x01\0\x01\xbb".to_vec();
        assert_eq!(v4, expected);
        let v6 = header(ProxyProtocol::V2, "[::1]:1".parse().unwrap(), "[::2]:2".parse().unwrap());
        expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
        for last in [1, 2] {
            expected.extend([0; 15]);
            expected.push(last);
        }
        expected.extend([0, 1, 0, 2]);
        assert_eq!(v6, expected);
    }
}
