//! Tracked processes.

use std::process::Command;

use crate::node::{Kind::Ours, instance, lab, nodes};

const SECRET: &str = "--token=abcdef0123456789";

#[test]
fn the_log_has_no_command_lines_of_other_programs() {
    let Some(lab) = lab("the_log_has_no_command_lines_of_other_programs", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    let mut other = Command::new("sh");
    let mut other = node.host.spawn(other.args(["-c", "sleep 600; :", SECRET])).unwrap();
    let process = "vrrp_track_process chk {\n  process nothing-is-called-so\n  full_command\n}\n";
    let tracked = instance("web", 51, 150, "10.0.0.100/24", "track_process {\n    chk weight -5\n  }");
    node.configure(&(process.to_owned() + &tracked));
    node.start();
    node.wait_for("10.0.0.100", true);
    node.wait_for_line("chk");
    // Programs that start are examined, too.
    node.host.run(Command::new("true").arg(SECRET)).unwrap();
    assert!(node.daemon().stop().unwrap().success());
    assert!(!node.log().contains(SECRET), "{}", node.log());
    let _ = other.stop();
}
