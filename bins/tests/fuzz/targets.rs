//! What reads what others write, and inputs to begin with.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    thread,
};

use lb_control::{client::Client, protocol::Request};
use lb_ipvs::{
    Answer, Client as IpvsClient, Command, Family, Query,
    transport::{Recorded, Replay},
};

use crate::servers;

type Inputs = Vec<Vec<u8>>;
type Reader = Box<dyn Fn(&[u8])>;

/// One reader.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Reads an input; panics where it should not.
    pub(crate) read: Reader,
    seeds: Box<dyn Fn() -> Inputs>,
}

impl Target {
    pub(crate) fn new(
        name: &'static str,
        read: impl Fn(&[u8]) + 'static,
        seeds: impl Fn() -> Inputs + 'static,
    ) -> Self {
        Self { name, read: Box::new(read), seeds: Box::new(seeds) }
    }

    /// The inputs to begin with; never none.
    pub(crate) fn seeds(&self) -> Inputs {
        let seeds = (self.seeds)();
        if seeds.is_empty() { vec![Vec::new()] } else { seeds }
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Target> {
    let mut all = vec![
        Target::new("keepalived", lb_config::fuzz::keepalived, || corpus("keepalived")),
        Target::new("ldirectord", lb_config::fuzz::ldirectord, || corpus("ldirectord")),
        Target::new("topology", lb_lab::fuzz::topology, || corpus("topology")),
        Target::new("ipvsadm", lb_ipvsadm::fuzz::rules, || corpus("ipvsadm")),
        Target::new("vrrp", vrrp, captures),
        Target::new("ipvs", ipvs, recording),
        Target::new("control-request", request, || lines("requests")),
        Target::new("control-answer", answer, || lines("answers")),
    ];
    all.extend(servers::targets());
    all
}

/// The committed inputs of a kind.
pub(crate) fn corpus(kind: &str) -> Inputs {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(kind);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|extension| extension != "tsv"))
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn lines(file: &str) -> Inputs {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/control").join(file);
    fs::read_to_string(path).unwrap().lines().map(|line| line.as_bytes().to_vec()).collect()
}

fn vrrp(bytes: &[u8]) {
    lb_vrrp::fuzz::message(bytes);
    lb_vrrp::fuzz::sound_message(bytes);
    lb_vrrp::fuzz::authentication_header(bytes);
    lb_vrrp::fuzz::hmac_trailer(bytes);
}

/// Packets of keepalived and FRR: from the IP header on, and the message alone.
fn captures() -> Inputs {
    const FILE_HEADER: usize = 24;
    const RECORD_HEADER: usize = 16;
    const ETHERNET: usize = 14;
    let mut packets = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lb-vrrp/tests/captures");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "pcap")) {
        let bytes = fs::read(file).unwrap();
        let mut rest = &bytes[FILE_HEADER..];
        // The packets of one peer are much the same.
        for _ in 0..3 {
            let Some((header, after)) = rest.split_at_checked(RECORD_HEADER) else { break };
            let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
            let Some((frame, after)) = after.split_at_checked(length) else { break };
            rest = after;
            let Some(packet) = frame.get(ETHERNET..) else { continue };
            let header = if packet.first().is_some_and(|first| first >> 4 == 6) { 40 } else { 20 };
            packets.extend(packet.get(header..).map(<[u8]>::to_vec));
            packets.push(packet.to_vec());
        }
    }
    packets
}

fn ipvs(bytes: &[u8]) {
    for family in [Family::V4, Family::V6] {
        if let Ok(answer) = Answer::decode(bytes, family) {
            assert_eq!(Answer::decode(&answer.encode(), family).as_ref(), Ok(&answer));
        }
    }
    if let Ok(command) = Command::decode(bytes) {
        let _ = command.to_string();
        if let Ok(encoded) = command.encode() {
            Command::decode(&encoded).unwrap();
        }
    }
    let replay =
        Replay::new().expect(&Query::Services.encode(), [Recorded::Message(bytes.to_vec()), Recorded::Done]);
    let _ = IpvsClient::with_transport(replay).unwrap().services();
}

/// Both sides of what ipvsadm and the kernel said to each other.
fn recording() -> Inputs {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lb-ipvs/tests/golden/ipvsadm-1.31.txt");
    let text = fs::read_to_string(path).unwrap();
    let hex = text.lines().filter_map(|line| line.strip_prefix("> ").or(line.strip_prefix("< ")));
    let byte = |hex: &str, at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    hex.map(|hex| (0..hex.len()).step_by(2).map(|at| byte(hex, at)).collect()).collect()
}

/// As the daemon reads it.
fn request(bytes: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<Request>(bytes) {
        let again = serde_json::to_vec(&request).unwrap();
        assert_eq!(serde_json::from_slice::<Request>(&again).unwrap(), request);
    }
}

/// As lbctl reads it, from a socket.
fn answer(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let said = [bytes, b"\n"].concat();
    let daemon = thread::spawn(move || {
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let _ = stream.read_line(&mut String::new());
            let _ = stream.get_mut().write_all(&said);
        }
    });
    let _ = Client::connect(&path).unwrap().ask(&Request::Status);
    let _ = Client::connect(&path).unwrap().ask_raw(&Request::Status);
    daemon.join().unwrap();
}
