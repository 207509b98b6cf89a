//! `lbctl lab`: a lab by hand.

use std::{
    collections::BTreeMap,
    error::Error,
    ffi::OsString,
    fs,
    io::{self, Write as _},
    net::IpAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Subcommand;
use lb_config::{diagnostic::Colors, document::Source};
use lb_lab::{
    Right, meter,
    topology::{self, Built, Topology},
    vm::Machine,
};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::demo;

/// Names the file that says how to get into the hosts.
const VARIABLE: &str = "LB_LAB";

/// What can be done with labs.
#[derive(Clone, Debug, Subcommand)]
pub enum Order {
    /// Build the hosts, switches and cables of a topology, and end them with the shell that is opened
    Up {
        /// The topology
        file: PathBuf,
        /// Instead of a shell
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Run a command in a host, or in the room with the switches
    Exec {
        /// Name of the host; `room` is where the switches are
        host: String,
        /// The command; without one, a shell
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Run a command in a virtual machine with IPVS, which sees the files of this one but changes none
    Vm {
        /// The command; without one, a shell
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Measure how long nobody answers
    #[command(hide = true)]
    Meter {
        /// Who is asked
        address: IpAddr,
    },
    /// A role in the demo.
    #[command(flatten)]
    Role(demo::Role),
}

/// How to get into the hosts of a lab.
#[derive(Debug, Serialize, Deserialize)]
struct Doors {
    right: Right,
    hosts: BTreeMap<String, i32>,
}

/// Does it; `false` = the command in the lab has failed.
///
/// # Errors
/// When the topology is wrong, the lab can not be built, or there is none to run something in.
pub fn run(order: &Order) -> Result<bool, Box<dyn Error>> {
    match order {
        Order::Up { file, command } => return up(file, command),
        Order::Exec { host, command } => return exec(host, command),
        Order::Vm { command } => return vm(command),
        Order::Meter { address } => meter::measure(*address)?,
        Order::Role(role) => demo::run_role(role)?,
    }
    Ok(true)
}

fn vm(command: &[OsString]) -> Result<bool, Box<dyn Error>> {
    let mut inside = match command {
        [] => Command::new("bash"),
        [program, arguments @ ..] => {
            let mut inside = Command::new(program);
            inside.args(arguments);
            inside
        }
    };
    if let Some(terminal) = std::env::var_os("TERM") {
        inside.env("TERM", terminal);
    }
    Ok(Machine::prepare()?.attach(&inside)? == 0)
}

fn up(file: &Path, command: &[OsString]) -> Result<bool, Box<dyn Error>> {
    let source = Source::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let topology = Topology::parse(&source, folder).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(|problem| problem.render(&source, Colors::No)).collect();
        format!("{} can not be built\n{}", file.display(), texts.join("\n"))
    })?;
    let built = topology::build(&topology, folder, &std::env::current_exe()?)?;
    let doors = doors(&built);
    let door = built.lab.folder().join("doors.json");
    fs::write(&door, serde_json::to_string(&doors)?)?;
    let told = greeting(&built, &door);
    let mut inside = match command {
        [] => {
            write!(io::stderr(), "{told}")?;
            Command::new(std::env::var_os("SHELL").unwrap_or_else(|| "sh".into()))
        }
        [program, arguments @ ..] => {
            let mut inside = Command::new(program);
            inside.args(arguments);
            inside
        }
    };
    let status = inside.env(VARIABLE, &door).env("PATH", topology::path(built.lab.folder())).status();
    Ok(status.map_err(|error| format!("{}: {error}", inside.get_program().display()))?.success())
}

fn doors(built: &Built) -> Doors {
    let hosts = built.lab.hosts().into_iter().chain([built.lab.room().clone()]);
    let hosts = hosts.map(|host| (host.name().to_owned(), host.pid().as_raw())).collect();
    Doors { right: built.lab.right(), hosts }
}

fn greeting(built: &Built, door: &Path) -> String {
    let mut text = String::new();
    for cable in built.lab.cables() {
        let nets: Vec<String> = cable.addresses.iter().map(ToString::to_string).collect();
        text +=
            &format!("{:<12} {:<8} at {:<8} {}\n", cable.host, cable.interface, cable.switch, nets.join(" "));
    }
    for (host, line, process) in &built.running {
        text +=
            &format!("{:<12} runs {line}; its output is in {}\n", host.name(), process.log_file().display());
    }
    text += "lbctl lab exec HOST [COMMAND]  runs something in a host\n\
             lbctl lab exec room tcpdump -i SWITCH  shows all that a switch passes on\n";
    text +=
        &format!("In other terminals: export {VARIABLE}={}\nThe lab ends with this shell.\n", door.display());
    text
}

fn exec(host: &str, command: &[OsString]) -> Result<bool, Box<dyn Error>> {
    let file = std::env::var_os(VARIABLE).ok_or_else(|| {
        format!("{VARIABLE} is not set; it is in the shell of `lbctl lab up`, which says its value")
    })?;
    let text = fs::read_to_string(&file)
        .map_err(|error| format!("{}: {error}; has the lab ended?", file.display()))?;
    let doors: Doors = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let Some(pid) = doors.hosts.get(host) else {
        let names: Vec<&str> = doors.hosts.keys().map(String::as_str).collect();
        return Err(format!("there is no host `{host}` in this lab; there are {}", names.join(", ")).into());
    };
    let mut entering = doors.right.enter(Pid::from_raw(*pid));
    match command {
        [] => entering.arg(std::env::var_os("SHELL").unwrap_or_else(|| "sh".into())),
        command => entering.args(command),
    };
    let folder = Path::new(&file).parent().unwrap_or(Path::new("/"));
    Err(format!("nsenter: {}", entering.env("PATH", topology::path(folder)).exec()).into())
}
