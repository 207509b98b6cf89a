//! What scripts, pipes and mail hear of an instance.

use std::process::Command;

use lb_lab::Right;

use crate::{
    node::{
        KEEPALIVED,
        Kind::{Keepalived, Ours},
        Node, instance, lab, nodes,
    },
    support::{skip, wait},
};

const VIP: &str = "10.0.0.100";

fn lines(node: &Node, file: &str) -> Vec<String> {
    node.host.read(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn wait_for_lines(node: &Node, file: &str, expected: &[&str]) {
    let what = format!("{expected:?} in {file}");
    let mut last = Vec::new();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(28);
    wait(&what, || {
        last = lines(node, file);
        if std::time::Instant::now() > deadline {
            panic!("{what}: {last:?}");
        }
        (last == expected).then_some(())
    });
}

#[test]
fn a_round_of_states_is_told_in_order_with_a_reload_in_the_middle() {
    let test = "a_round_of_states_is_told_in_order_with_a_reload_in_the_middle";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    node.host.script("/etc/told", "echo \"$@\" >> /etc/by-script").unwrap();
    node.host.script("/etc/one", "echo \"$@\" >> /etc/by-state").unwrap();
    let globals = "global_defs {\n  script_user root\n  vrrp_notify_fifo /run/told\n}\n\
                   vrrp_sync_group G {\n  group {\n    web\n  }\n  notify /etc/told\n}\n";
    let of = |extra: &str| {
        let notify = format!(
            "notify /etc/told\n  notify_master \"/etc/one master\"\n  notify_backup \"/etc/one backup\"\n  \
             notify_fault \"/etc/one fault\"\n  notify_stop \"/etc/one stop\"\n  {extra}"
        );
        globals.to_owned() + &instance("web", 51, 150, &format!("{VIP}/24"), &notify)
    };
    node.configure(&of(""));
    // Whoever reads may come before it.
    node.host.sh("mkfifo -m 600 /run/told").unwrap();
    let _reader =
        node.host.spawn(Command::new("sh").args(["-c", "exec cat <>/run/told >/etc/by-pipe"])).unwrap();
    node.start();
    node.wait_for(VIP, true);
    node.host.set_link("eth0", false).unwrap();
    wait("FAULT", || (node.said("(web) Entering FAULT STATE") == 1).then_some(()));
    node.configure(&of("garp_master_repeat 2"));
    node.lbctl(&["reload"]);
    node.host.set_link("eth0", true).unwrap();
    wait("MASTER again", || (node.said("(web) Entering MASTER STATE") == 2).then_some(()));
    wait("scripts in the story", || {
        let story = node.lbctl(&["explain", "web"]);
        let all = ["notify_master of web", "notify of web (MASTER)", "notify of G (MASTER)"].map(|script| {
            story.contains(&format!("{script} started"))
                && story.contains(&format!("{script} exited with status 0"))
        });
        (all == [true; 3]).then_some(())
    });
    assert!(node.daemon().stop().unwrap().success());

    wait_for_lines(&node, "/etc/by-state", &["backup", "master", "fault", "backup", "master", "stop"]);
    let of_instance = |file: &str| {
        let told = lines(&node, file);
        told.into_iter().filter(|line| line.starts_with("INSTANCE")).collect::<Vec<_>>()
    };
    let of_group = |file: &str| {
        let told = lines(&node, file);
        told.into_iter().filter(|line| line.starts_with("GROUP")).collect::<Vec<_>>()
    };
    let states = ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER", "STOP"];
    let expected = states.map(|state| format!("INSTANCE \"web\" {state} 150"));
    wait("all in the pipe", || (of_instance("/etc/by-pipe") == expected).then_some(()));
    let expected = states.map(|state| format!("INSTANCE web {state} 150"));
    assert_eq!(of_instance("/etc/by-script"), expected);
    for file in ["/etc/by-script", "/etc/by-pipe"] {
        let told = of_group(file);
        let order: Vec<&str> = told.iter().filter_map(|line| line.split(' ').nth(2)).collect();
        assert!(order.starts_with(&["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"]), "{file}: {told:?}");
    }
}

#[test]
fn a_change_is_mailed() {
    let Some(lab) = lab("a_change_is_mailed", &["/usr/bin/python3"]) else { return };
    let [mut node, relay] = nodes(&lab, [Ours, Ours]);
    relay.host.write("/etc/relay.py", RELAY).unwrap();
    let relay = relay.host.spawn(Command::new("/usr/bin/python3").args(["-u", "/etc/relay.py"])).unwrap();
    wait("the relay", || relay.log().contains("listening").then_some(()));
    let globals = "global_defs {\n  notification_email {\n    ops@example.org\n  }\n  \
                   notification_email_from node@example.org\n  smtp_server 10.0.0.2 2525\n  \
                   smtp_connect_timeout 10\n  router_id node-a\n}\n";
    node.configure(&(globals.to_owned() + &instance("web", 51, 150, &format!("{VIP}/24"), "smtp_alert")));
    node.start();
    node.wait_for(VIP, true);
    wait("the mail", || {
        let log = relay.log();
        let all = [
            "MAIL FROM:<node@example.org>",
            "RCPT TO:<ops@example.org>",
            "Subject: ",
            "[node-a]",
            "MASTER",
            "QUIT",
        ];
        all.iter().all(|part| log.contains(part)).then_some(())
    });
    assert!(node.daemon().stop().unwrap().success());
}

/// Takes every mail and prints what it hears.
const RELAY: &str = r#"
import socketserver
class Relay(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 relay\r\n")
        data = False
        for line in self.rfile:
            line = line.decode().rstrip("\r\n")
            print(line)
            if data:
                if line == ".":
                    data = False
                    self.wfile.write(b"250 taken\r\n")
            elif line.upper() == "DATA":
                data = True
                self.wfile.write(b"354 go on\r\n")
            elif line.upper() == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 fine\r\n")
socketserver.ThreadingTCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer(("10.0.0.2", 2525), Relay)
print("listening")
server.serve_forever()
"#;

#[test]
fn a_sync_group_is_told_of_the_stop_as_with_keepalived() {
    let test = "a_sync_group_is_told_of_the_stop_as_with_keepalived";
    for kind in [Keepalived, Ours] {
        let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
        if kind == Keepalived && lab.right() != Right::Root {
            return skip(test, "root, since keepalived sets the groups of its scripts");
        }
        let [mut node, _] = nodes(&lab, [kind, Ours]);
        node.host
            .sh("ip link add eth1 type veth peer name far1; ip link set far1 up; ip link set eth1 up")
            .unwrap();
        node.host.sh("ip addr add 10.1.0.1/24 dev eth1; mkfifo -m 600 /etc/pipe").unwrap();
        let reader = "exec cat <>/etc/pipe >/etc/lines";
        let _reader = node.host.spawn(Command::new("sh").args(["-c", reader])).unwrap();
        node.host.script("/etc/ev", "echo \"$@\" >> /etc/events").unwrap();
        let inner = instance(
            "inner",
            51,
            150,
            &format!("{VIP}/24"),
            "notify \"/etc/ev any\"\n  notify_stop \"/etc/ev stop\"",
        );
        let outer = instance("outer", 52, 150, "10.1.0.100/24", "").replace("eth0", "eth1");
        node.configure(&format!(
            "global_defs {{\n  script_user root\n  vrrp_notify_fifo /etc/pipe\n}}\n{inner}{outer}vrrp_sync_group both {{\n  \
             group {{\n    inner\n    outer\n  }}\n  notify \"/etc/ev group-any\"\n  notify_stop \"/etc/ev group-stop\"\n}}\n"
        ));
        node.start();
        node.wait_for(VIP, true);
        assert!(node.daemon().stop().unwrap().success());
        let said = |path: &str, line: &str| {
            wait(line, || {
                node.host.read(path).is_ok_and(|text| text.lines().any(|one| one == line)).then_some(())
            });
        };
        for line in ["stop", "any INSTANCE inner STOP 150", "group-stop", "group-any GROUP both STOP 0"] {
            said("/etc/events", line);
        }
        said("/etc/lines", "GROUP \"both\" STOP 0");
        let lines = node.host.read("/etc/lines").unwrap();
        let stops: Vec<&str> = lines.lines().filter(|line| line.contains("STOP")).collect();
        let expected =
            ["INSTANCE \"inner\" STOP 150", "INSTANCE \"outer\" STOP 150", "GROUP \"both\" STOP 0"];
        assert_eq!(stops, expected, "{kind:?}");
    }
}
