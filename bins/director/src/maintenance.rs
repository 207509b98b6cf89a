//! `maintenancedir`: a file named after a real server takes it down.

use std::{
    collections::HashMap,
    fs, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    path::{Path, PathBuf},
    time::Duration,
};

use lb_core::model::ServerKey;
use tokio::{sync::watch, task::JoinHandle};

/// Files of a folder that are looked at; a folder with more is a mistake.
const LIMIT: usize = 10_000;
/// Pause between two looks into the folder.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks into a folder again and again, beside everything else: neither a slow disk nor a slow name server delays
/// the balancing.
#[derive(Debug)]
pub struct Watcher {
    folder: PathBuf,
    seen: watch::Receiver<Option<Result<Vec<Named>, String>>>,
    task: JoinHandle<()>,
}

/// Which servers a file means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    addresses: Vec<IpAddr>,
    /// `None` = all ports.
    port: Option<u16>,
}

impl Watcher {
    /// Starts to look. Must be called inside a tokio runtime.
    pub fn start(folder: &Path) -> Self {
        let (sender, seen) = watch::channel(None);
        let path = folder.to_owned();
        let task = tokio::spawn(async move {
            let mut hosts = HashMap::new();
            while !sender.is_closed() {
                let folder = path.clone();
                let look = tokio::task::spawn_blocking(move || (read(&folder, &mut hosts), hosts));
                let Ok((named, known)) = look.await else { return };
                hosts = known;
                sender.send_replace(Some(named.map_err(|error| error.to_string())));
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { folder: folder.to_owned(), seen, task }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whom the files meant when they were looked at last; `None` before that.
    pub fn seen(&self) -> Option<Result<Vec<Named>, String>> {
        self.seen.borrow().clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Named {
    /// Whether this server is meant.
    pub fn means(&self, server: &ServerKey) -> bool {
        self.addresses.contains(&server.address) && self.port.is_none_or(|port| port == server.port)
    }
}

/// Whom the files of the folder mean. Hidden files and what is no name mean nobody; no folder is no file.
fn read(folder: &Path, hosts: &mut HashMap<String, Vec<IpAddr>>) -> io::Result<Vec<Named>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut named = Vec::new();
    for entry in entries.take(LIMIT) {
        if let Ok(name) = entry?.file_name().into_string()
            && !name.starts_with('.')
        {
            named.push(parse(&name, hosts));
        }
    }
    Ok(named)
}

/// `IP:port`, `IP`, `[IPv6]:port`, `[IPv6]`, or the name of a host with or without a port. A name is looked up once; one
/// that nobody knows is asked for again.
fn parse(name: &str, hosts: &mut HashMap<String, Vec<IpAddr>>) -> Named {
    if let Ok(address) = name.parse::<SocketAddr>() {
        return Named { addresses: vec![address.ip()], port: Some(address.port()) };
    }
    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Named { addresses: vec![address], port: None };
    }
    let (host, port) = match name.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => return Named { addresses: Vec::new(), port: None },
        },
        None => (name, None),
    };
    if let Some(addresses) = hosts.get(host) {
        return Named { addresses: addresses.clone(), port };
    }
    let addresses: Vec<IpAddr> =
        (host, 0).to_socket_addrs().map_or_else(|_| Vec::new(), |found| found.map(|a| a.ip()).collect());
    if !addresses.is_empty() && hosts.len() < LIMIT {
        hosts.insert(host.to_owned(), addresses.clone());
    }
    Named { addresses, port }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(name: &str, server: &str) -> bool {
        let mut hosts = HashMap::from([("web1".to_owned(), vec!["10.0.0.1".parse().unwrap()])]);
        parse(name, &mut hosts).means(&server.parse().unwrap())
    }

    #[test]
    fn a_server_has_many_names() {
        for name in ["10.0.0.1:80", "10.0.0.1", "web1", "web1:80"] {
            assert!(means(name, "10.0.0.1:80"), "{name}");
        }
        for name in ["10.0.0.1:81", "10.0.0.2", "web1:81", "10.0.0.1:", "web1:http"] {
            assert!(!means(name, "10.0.0.1:80"), "{name}");
        }
        for name in ["[fd00::1]:80", "[fd00::1]", "fd00::1", "fd00:0::1"] {
            assert!(means(name, "[fd00::1]:80"), "{name}");
        }
        assert!(means("localhost", "127.0.0.1:80"), "names are looked up");
    }

    #[tokio::test]
    async fn a_missing_folder_names_nobody_and_hidden_files_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let mut hosts = HashMap::new();
        assert_eq!(read(&folder.path().join("none"), &mut hosts).unwrap(), []);
        for name in ["10.0.0.1", ".10.0.0.2.swp"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut watcher = Watcher::start(folder.path());
        watcher.seen.changed().await.unwrap();
        assert_eq!(
            watcher.seen(),
            Some(Ok(vec![Named { addresses: vec!["10.0.0.1".parse().unwrap()], port: None }]))
        );
    }
}
