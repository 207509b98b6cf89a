//! keepalived and lb-failover, each in a network of its own, and the servers that both look at.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::{
    site::{Net, patiently},
    support::{Lab, Web, lines},
};
use lb_ipvs::{
    Client,
    format::{Names, save, sort},
};
use nix::{
    fcntl::OFlag,
    sys::{
        signal::{Signal, kill, killpg},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};

/// Both daemons, with one configuration.
pub(super) struct Pair {
    lab: Lab,
    /// Where the servers are.
    pub(super) farm: Net,
    pub(super) theirs: Side,
    pub(super) ours: Side,
    /// Tables that were compared, lines that both have told, and lines of their logs.
    compared: [usize; 3],
}

/// A daemon with its table.
pub(super) struct Side {
    pub(super) net: Net,
    ipvs: Client,
    program: Command,
    daemon: Option<Daemon>,
    log: PathBuf,
    /// Lines of the log before the last state, and before this one.
    read: [usize; 2],
    fifo: File,
    told: Vec<u8>,
    diary: PathBuf,
}

/// A process, and what it has started.
struct Daemon(Child);

impl Pair {
    /// The servers are at 192.168.0.1 to 4 and fd01::1 to 4, those who check at 251 and 252.
    pub(super) fn new() -> Self {
        let (lab, farm) = (Lab::new(""), Net::new("farm"));
        lab.script("note", "file=$1\nshift\necho \"$*\" >>$file");
        let sides =
            [("theirs", 251), ("ours", 252)].map(|(name, number)| Side::new(name, number, &lab, &farm));
        let mut batch = "link add bridge type bridge\n".to_owned();
        for number in 1..=4 {
            batch += &format!(
                "addr add 192.168.0.{number}/24 dev bridge\naddr add fd01::{number}/64 dev bridge nodad\n"
            );
        }
        farm.ip(
            &(batch + "link set theirs master bridge up\nlink set ours master bridge up\nlink set bridge up")
        );
        let [theirs, ours] = sides;
        Self { lab, farm, theirs, ours, compared: [0; 3] }
    }

    pub(super) fn web(&self, address: &str) -> Web {
        let address = address.parse().unwrap();
        self.farm.on(|| Web::at(address, "web"))
    }

    /// Both read the same file. `$AT` begins the names of files of their own, `$NOTE` the command of a note in a diary.
    pub(super) fn configure(&self, text: &str) {
        let all = self.lab.path("");
        let all = all.display();
        let definitions = format!(
            "@theirs $AT={all}theirs\n@ours $AT={all}ours\n$ALL={all}\n$NOTE={all}note ${{AT}}.diary\n"
        );
        self.lab.configure(&(definitions + text));
    }

    /// Writes a file beside the configuration.
    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.lab.path(name), text).unwrap();
    }

    pub(super) fn start(&mut self) {
        self.start_with(&[]);
    }

    pub(super) fn start_with(&mut self, options: &[&str]) {
        for side in self.sides() {
            let program = side.program.args(options);
            side.daemon = Some(Daemon(side.net.on(|| program.spawn().unwrap())));
        }
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        self.sides().into_iter().for_each(|side| kill(side.pid(), signal).unwrap());
    }

    /// Waits until both tables are as they should be.
    pub(super) fn until(&mut self, are: impl Fn(&str, &str) -> bool) {
        patiently("tables as they should be", || {
            let [theirs, ours] = self.tables();
            are(&theirs, &ours).then_some(()).ok_or_else(|| self.story(&diff(&theirs, &ours)))
        });
        self.compared[0] += 1;
    }

    /// Waits until both tables are the same and have these servers for these services, with `changes` (`-`: no such service),
    /// and both daemons have told the same to their FIFOs and by their scripts since they were started.
    pub(super) fn agree(&mut self, services: &[(&str, &str)], changes: &[(&str, &str)]) {
        let expected: BTreeMap<&str, &str> = services.iter().chain(changes).copied().collect();
        let expected = expected.into_iter().filter(|(_, servers)| *servers != "-");
        let expected: BTreeMap<String, String> =
            expected.map(|(service, servers)| (service.to_owned(), servers.to_owned())).collect();
        self.until(|theirs, ours| theirs == ours && in_short(ours) == expected);
        let told = patiently("the same to be told", || {
            let [theirs, ours] = self.sides().map(Side::told);
            if theirs == ours {
                return Ok(ours.len());
            }
            Err(self.story(&diff(&theirs.join("\n"), &ours.join("\n"))))
        });
        self.compared[1] = told;
        for side in self.sides() {
            side.read = [side.read[1], lines(&side.log).len()];
        }
    }

    /// Compares what both have logged about servers since the state before this one.
    pub(super) fn agree_in_words(&mut self) {
        let words = patiently("the same words", || {
            let [theirs, ours] = self.sides().map(Side::words);
            let same = theirs == ours && !ours.is_empty();
            same.then_some(ours.len()).ok_or_else(|| self.story(&diff(&theirs.join("\n"), &ours.join("\n"))))
        });
        self.compared[2] += words;
    }

    /// Waits until keepalived's table has these lines (`<`) where ours has those (`>`), and all others are the same.
    pub(super) fn differ(&mut self, expected: &[&str]) {
        self.until(|theirs, ours| diff(theirs, ours) == expected);
    }

    /// Waits until keepalived has logged this so often.
    pub(super) fn until_theirs_said(&mut self, text: &str, times: usize) {
        patiently(text, || {
            let said = lines(&self.theirs.log).iter().filter(|line| line.contains(text)).count();
            (said >= times).then_some(()).ok_or_else(|| self.story(&[]))
        });
    }

    /// Waits until both daemons are gone.
    pub(super) fn ended(&mut self) {
        for side in self.sides() {
            let daemon = side.daemon.as_mut().unwrap();
            patiently("the end", || daemon.0.try_wait().unwrap().map(drop).ok_or_else(String::new));
        }
    }

    pub(super) fn report(&self) {
        let [tables, told, logged] = self.compared;
        println!("{tables} tables compared, {told} lines told, {logged} logged");
    }

    fn sides(&mut self) -> [&mut Side; 2] {
        [&mut self.theirs, &mut self.ours]
    }

    fn tables(&mut self) -> [String; 2] {
        self.sides().map(Side::table)
    }

    /// What went wrong, and what both have logged.
    fn story(&self, differences: &[String]) -> String {
        let logs = [&self.theirs, &self.ours].map(|side| lines(&side.log).join("\n"));
        format!("{}\n\n{}", differences.join("\n"), logs.join("\n\n"))
    }
}

impl Side {
    fn new(name: &str, number: u8, lab: &Lab, farm: &Net) -> Self {
        let net = Net::new(name);
        farm.link(name, &net, "eth0");
        net.ip(&format!(
            "addr add 192.168.0.{number}/24 dev eth0\naddr add fd01::{number}/64 dev eth0 nodad\nlink set eth0 up"
        ));
        let path = |what: &str| lab.path(&format!("{name}.{what}"));
        let mut program = match name {
            "theirs" => Command::new("keepalived"),
            _ => Command::new(env!("CARGO_BIN_EXE_lb-failover")),
        };
        program.args(["-C", "-n", "-l", "-D", "-i", name, "-f"]).arg(lab.config()).arg("-p").arg(path("pid"));
        match name {
            "theirs" => program.arg("-c").arg(path("checkers")),
            _ => program
                .args(["--dont-respawn", "--data-plane", "ipvs", "--socket"])
                .arg(path("socket"))
                .arg("--state-dir")
                .arg(path("state")),
        };
        let log = File::create(path("log")).unwrap();
        program.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        mkfifo(&path("fifo"), Mode::S_IRWXU).unwrap();
        // Also for writing: so it has no end.
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK;
        let fifo = File::from(nix::fcntl::open(&path("fifo"), flags, Mode::empty()).unwrap());
        Self {
            ipvs: net.on(Client::open).unwrap(),
            net,
            program,
            daemon: None,
            log: path("log"),
            read: [0; 2],
            fifo,
            told: Vec::new(),
            diary: path("diary"),
        }
    }

    fn pid(&self) -> Pid {
        self.daemon.as_ref().unwrap().pid()
    }

    /// What `ipvsadm -S -n` prints.
    fn table(&mut self) -> String {
        let mut entries: Vec<_> = self.ipvs.table().unwrap().into_values().collect();
        sort(&mut entries);
        save(&entries, Names::Numeric)
    }

    /// What has come through the FIFO and was noted in the diary. The order depends on when who was looked at.
    fn told(&mut self) -> Vec<String> {
        // It ends with the error that there is no more for now.
        let _ = self.fifo.read_to_end(&mut self.told);
        let mut told: Vec<String> = String::from_utf8_lossy(&self.told).lines().map(str::to_owned).collect();
        told.extend(lines(&self.diary));
        told.sort();
        told
    }

    /// What was logged about servers, without times and, in our log, causes.
    fn words(&mut self) -> Vec<String> {
        const ABOUT: [&str; 9] = [
            "Adding ",
            "Removing ",
            "Enabling ",
            "Disabling ",
            "Changing ",
            "Gained ",
            "Lost ",
            "TCP_CHECK ",
            "HTTP_CHECK ",
        ];
        let log = lines(&self.log);
        let words = log[self.read[0]..].iter().filter_map(|line| {
            let line = line.get("Thu Jan  1 00:00:00 1970: ".len()..)?;
            let about = ABOUT.iter().any(|start| line.starts_with(start)) && !line.contains(" failed, ");
            let line = line.split_once(" (").map_or(line, |(line, _)| line);
            // Who had not looked before it died has not tried again.
            let line = line.split_once(" after ").map_or(line, |(line, _)| line);
            about.then(|| line.trim_end_matches('.').to_owned())
        });
        let mut words: Vec<String> = words.collect();
        words.sort();
        words
    }
}

impl Daemon {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// By service its servers with their weights, without the beginning that most addresses have.
fn in_short(table: &str) -> BTreeMap<String, String> {
    let mut short: BTreeMap<String, String> = BTreeMap::new();
    for words in table.lines().map(|line| line.split(' ').collect::<Vec<_>>()) {
        let servers = short.entry(words[2].to_owned()).or_default();
        if words[0] == "-a" {
            let weight = words.iter().skip_while(|word| **word != "-w").nth(1).unwrap();
            let space = if servers.is_empty() { "" } else { " " };
            *servers += &format!("{space}{}*{weight}", words[4].trim_start_matches("192.168.0."));
        }
    }
    short
}

/// The lines that only the first has, and those that only the second has.
fn diff(one: &str, other: &str) -> Vec<String> {
    let without = |text: &str, other: &str, mark: &str| -> Vec<String> {
        let alone = text.lines().filter(|line| other.lines().all(|there| there != *line));
        alone.map(|line| format!("{mark} {line}")).collect()
    };
    [without(one, other, "<"), without(other, one, ">")].concat()
}
