//! `maintenancedir`: a file named after a real server takes it down.

use std::{
    collections::BTreeSet,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use lb_core::model::ServerKey;

/// Files of a folder that are looked at; a folder with more is a mistake.
const LIMIT: usize = 10_000;

/// The names of the files in the folder, without those that begin with a dot. No folder is no name.
///
/// # Errors
/// When the folder is there and can not be read.
pub fn names(folder: &Path) -> io::Result<BTreeSet<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries?,
    };
    let mut names = BTreeSet::new();
    for entry in entries.take(LIMIT) {
        if let Ok(name) = entry?.file_name().into_string()
            && !name.starts_with('.')
        {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Whether one of the names means this server: `IP:port`, `IP`, `[IPv6]:port`, `[IPv6]`, or a host name of the
/// server, with or without its domain and port.
pub fn is_named(names: &BTreeSet<String>, server: &ServerKey, hosts: &[String]) -> bool {
    let matches = |name: &String| {
        if let Ok(address) = name.parse::<SocketAddr>() {
            return ServerKey::from(address) == *server;
        }
        if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return address == server.address;
        }
        let (host, port) = match name.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (name.as_str(), None),
        };
        let same_port = port.is_none_or(|port| port.parse() == Ok(server.port));
        same_port
            && hosts.iter().any(|known| {
                known.eq_ignore_ascii_case(host)
                    || known.split_once('.').is_some_and(|(short, _)| short.eq_ignore_ascii_case(host))
            })
    };
    names.iter().any(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_many_names() {
        let hosts = ["web1.example.com".to_owned()];
        let is = |name: &str, server: &str| {
            is_named(&BTreeSet::from([name.to_owned()]), &server.parse().unwrap(), &hosts)
        };
        for name in ["10.0.0.1:80", "10.0.0.1", "web1", "WEB1.example.com", "web1:80", "web1.example.com:80"]
        {
            assert!(is(name, "10.0.0.1:80"), "{name}");
        }
        for name in ["10.0.0.1:81", "10.0.0.2", "web", "web1:81", "10.0.0.1:", "example.com"] {
            assert!(!is(name, "10.0.0.1:80"), "{name}");
        }
        for name in ["[fd00::1]:80", "[fd00::1]", "fd00::1", "fd00:0::1"] {
            assert!(is(name, "[fd00::1]:80"), "{name}");
        }
    }

    #[test]
    fn a_missing_folder_names_nobody_and_hidden_files_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(names(&folder.path().join("none")).unwrap(), BTreeSet::new());
        for name in ["10.0.0.1", ".10.0.0.2.swp"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(names(folder.path()).unwrap(), BTreeSet::from(["10.0.0.1".to_owned()]));
    }
}
