use super::*;

/// `cat /proc/net/ip_vs_conn`, Linux 6.1.192: a persistence template, connections of IPv4 and IPv6, the template of a
/// firewall mark, and one of the persistence engine for SIP.
const RECORDED: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A000064 0000 0A000064 0050 0A000064 1F90 ASSURED          59
TCP 0A000064 92A4 0A000064 0050 0A000064 1F90 TIME_WAIT       119
TCP fd00:0000:0000:0000:0000:0000:0000:0001 DAD2 fd00:0000:0000:0000:0000:0000:0000:0001 0050 0000:0000:0000:0000:0000:0000:0000:0001 1F90 TIME_WAIT       119
";

#[test]
fn every_line_is_understood() {
    let all = read(RECORDED.as_bytes(), usize::MAX).unwrap();
    let template = &all[0];
    assert_eq!(template.source, "10.0.0.100:0".parse().unwrap());
    assert_eq!(template.virtual_address, "10.0.0.100:80".parse().unwrap());
    assert_eq!(template.destination, "10.0.0.100:8080".parse().unwrap());
    assert_eq!((template.state.as_str(), template.expires.as_secs()), ("ASSURED", 59));
    assert_eq!(all[2].destination, "[::1]:8080".parse().unwrap());
    assert_eq!(all[2].to_model().unwrap().protocol, Protocol::Tcp);
    assert_eq!(all.len(), 3);
}

#[test]
fn no_more_are_read_than_wanted() {
    assert_eq!(read(RECORDED.as_bytes(), 1).unwrap().len(), 1);
    assert_eq!(read(RECORDED.as_bytes(), 0).unwrap().len(), 0);
    assert!(read(&b""[..], 5).unwrap().is_empty());
}

#[test]
fn a_line_that_is_no_connection_is_an_error_that_shows_it() {
    for line in ["TCP 0A000064 0000 0A00", "TCP x 0 0 0 0 0 S 1", "TCP 0A000064 10000 0 0 0 0 S 1", "", "TCP"]
    {
        let error = read(format!("header\n{line}\n").as_bytes(), 9).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().ends_with(line), "{error}");
    }
    let endless = vec![b'x'; 1 << 20];
    assert!(read([b"header\n", &endless[..]].concat().as_slice(), 9).unwrap_err().to_string().len() < 5000);
}
