//! What the kernel's IPVS lacks, and what is not the daemons' own in it.

use std::process::Command;

use lb_ipvs::{Forwarding, SchedulerKind, Service};

use crate::{
    client::{client, key},
    guest::on_ipvs,
    machine::with_machine,
    node::Node,
    site::{Net, Site, VIP, patiently, tcp},
    support::{Daemon, Lab, skip, text},
};

/// Waits until the status has all of these; returns it.
fn status(daemon: &Daemon, with: &[&str]) -> String {
    patiently("a status", || {
        let output = daemon.lbctl(&["status"]);
        let (status, errors) = (text(&output.stdout), text(&output.stderr));
        let missing = with.iter().find(|wanted| !status.contains(**wanted));
        missing
            .map_or(Ok(status.clone()), |text| Err(format!("no `{text}`: {status}{errors}{}", daemon.log())))
    })
}

const NO_TWOS: &str = "the kernel has no scheduler `twos`: run `modprobe ip_vs_twos`; if there is no such module, install the \
                       kernel's package of modules (Debian: linux-image-amd64; Fedora: kernel-modules)";

/// Debian's kernel does; others may not.
fn lacks_twos(case: &str, net: &Net) -> bool {
    let mark = Service::new(key("fwmark:99"), "twos".parse().unwrap());
    let lacks = client(net).add_service(&mark).is_err();
    if !lacks {
        skip(case, "a kernel without the scheduler twos");
    }
    lacks
}

/// Debian's kernel has no `twos`. Another data plane would take all services off IPVS, for the sake of one whose module may be
/// there in a minute.
#[test]
fn a_scheduler_that_the_kernel_lacks_is_named_and_the_rest_is_served() {
    on_ipvs(|| {
        let mut site = Site::nat(1);
        if !lacks_twos("a scheduler that the kernel lacks", &site.director) {
            return;
        }
        let _webs = site.webs(80);
        let foreign = tcp("10.0.0.1:8080", SchedulerKind::RoundRobin);
        site.serve(&foreign, Forwarding::Masquerade, &["192.168.0.1:80"]);
        let service = |port, scheduler| {
            format!(
                "virtual = {VIP}:{port}\n        real = 192.168.0.1:80 masq\n        scheduler = {scheduler}\n        \
                 checktype = connect\n"
            )
        };
        let lab = Lab::new(&(service(80, "rr") + &service(81, "twos")));
        let director = site.director.on(|| lab.start("auto"));
        let problem = &format!("add service TCP {VIP}:81 with scheduler twos: {NO_TWOS}");
        let known =
            ["data plane ipvs (the kernel has it)", problem, "not ours, left alone: tcp:10.0.0.1:8080"];
        patiently("a server", || {
            let servers = site.ipvs.destinations(&tcp(&format!("{VIP}:80"), SchedulerKind::RoundRobin).key);
            let found = servers.unwrap().len();
            (found == 1).then_some(()).ok_or_else(|| director.log())
        });
        let all = status(&director, &known);
        assert_eq!(all.matches("PROBLEM").count(), 1, "{all}");
        assert_eq!(site.ask(&format!("{VIP}:80"), 3), ["web1", "web1", "web1"]);
        // It is tried again with every look, and said once.
        let looks = director.status()["uptime"].as_f64().unwrap() + 11.0;
        patiently("more looks", || {
            let up = director.status()["uptime"].as_f64().unwrap();
            (up > looks).then_some(()).ok_or_else(|| up.to_string())
        });
        director.assert_logged("twos", 1);
        director.wait_for_line(NO_TWOS);

        // A service that there is keeps its scheduler.
        lab.configure(&service(80, "twos"));
        director.told(&["reload"]);
        status(&director, &[&format!("edit service TCP {VIP}:80 with scheduler twos: {NO_TWOS}")]);
        assert_eq!(site.ask(&format!("{VIP}:80"), 1), ["web1"]);
        assert_eq!(site.ipvs.destinations(&foreign.key).unwrap().len(), 1, "not ours to touch");
    });
}

/// Each program without CAP_NET_ADMIN, in a network where the kernel has IPVS.
#[test]
fn without_the_capability_that_is_one_line_and_auto_goes_on() {
    on_ipvs(|| {
        let site = Site::nat(1);
        let _webs = site.webs(80);
        let service =
            format!("virtual = {VIP}:80\n        real = 192.168.0.1:80 masq\n        checktype = connect\n");
        let lab = Lab::new(&service);
        let without = |words: &[&str], inner: &Command| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).arg(inner.get_program()).args(inner.get_args());
            command
        };
        let capability = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
        let namespace = ["unshare", "--user", "--map-root-user", "--net"];
        for words in [&capability[..], &namespace] {
            let mut inner = lab.director("ipvs");
            let output = site.director.on(|| without(words, inner.arg(lab.config())).output().unwrap());
            let said = text(&output.stderr);
            assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
            let line = "lb-director: the data plane ipvs does not work here: read version and table size: CAP_NET_ADMIN \
                        is needed, and in the initial user namespace";
            assert!(said.starts_with(line), "{said}");

            let mut lbctl = Command::new(env!("CARGO_BIN_EXE_lbctl"));
            let output = site.director.on(|| without(words, lbctl.args(["ipvs", "list"])).output().unwrap());
            let said = text(&output.stderr);
            assert!(said.starts_with("lbctl ipvs: ") && said.contains("CAP_NET_ADMIN"), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        let why = "ipvs: read version and table size: CAP_NET_ADMIN is needed";
        // Root of a user namespace may still have nftables.
        let mut inner = lab.director("auto");
        let director = site.director.on(|| lab.spawn(without(&namespace, inner.arg(lab.config()))));
        let all = status(&director, &[why]);
        assert!(all.contains("data plane nft") || all.contains("data plane relay"), "{all}");
        drop(director);

        let mut inner = lab.director("auto");
        let director = site.director.on(|| lab.spawn(without(&capability, inner.arg(lab.config()))));
        status(&director, &["data plane relay", why]);
        director.assert_logged("Data plane relay (ipvs: ", 1);
        patiently("an answer", || {
            let answer = site.client.on(|| crate::support::get(format!("{VIP}:80").parse().unwrap()));
            answer.map(drop).map_err(|error| error.to_string())
        });
    });
}

/// The other daemon says it as clearly, and lists what is not its own.
#[test]
fn lb_failover_says_what_ipvs_lacks() {
    on_ipvs(|| {
        let net = Net::new("director");
        if !lacks_twos("what IPVS lacks, of lb-failover", &net) {
            return;
        }
        let server = |port, scheduler| {
            format!(
                "virtual_server {VIP} {port} {{\nprotocol TCP\nlvs_sched {scheduler}\nlvs_method NAT\nreal_server 192.168.0.1 80 \
                 {{\n}}\n}}\n"
            )
        };
        net.run("ipvsadm -A -t 10.0.0.9:80");
        let node = Node::start(&net, &(server(80, "rr") + &server(81, "twos")));
        let problem = format!("add service TCP {VIP}:81 with scheduler twos: {NO_TWOS}");
        let all =
            status(&node.supervisor, &["data plane ipvs", &problem, "not ours, left alone: tcp:10.0.0.9:80"]);
        assert_eq!(all.matches("PROBLEM").count(), 1, "{all}");
        node.supervisor.assert_logged("twos", 1);
        let saved = net.run("ipvsadm -S -n");
        assert!(saved.contains("-A -t 10.0.0.9:80 -s wlc"), "{saved}");
        assert!(saved.contains(&format!("-a -t {VIP}:80 -r 192.168.0.1:80 -m -w 1")), "{saved}");
    });
}

/// A machine that boots without ip_vs, and then may not load it.
#[test]
fn a_module_that_can_not_be_loaded_is_one_line_and_one_that_can_is_loaded() {
    with_machine("ip_vs that can not be loaded", |machine| {
        let lab =
            Lab::new("virtual = 10.0.0.1:80\n        real = 192.168.0.1:80 masq\n        checktype = on\n");
        let script = "\
            director=$1 lbctl=$2 config=$3
            loader=$(cat /proc/sys/kernel/modprobe)
            echo /bin/false >/proc/sys/kernel/modprobe
            $director --data-plane ipvs $config 2>&1
            echo \"status $?\"
            start() {
                $director --socket /run/director --data-plane auto $config 2>/dev/null &
                until $lbctl --socket /run/director status 2>/dev/null; do sleep 0.1; done
                kill $!
                wait $!
            }
            start
            echo \"$loader\" >/proc/sys/kernel/modprobe
            start
            cat /proc/modules | grep -c '^ip_vs '";
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_lb-director"), env!("CARGO_BIN_EXE_lbctl")])
            .arg(lab.config());
        let mut lines = Vec::new();
        machine
            .run(&command, std::time::Duration::from_secs(300), |line| lines.push(line.to_owned()))
            .unwrap();
        let said = lines.join("\n");
        let lacks = "the kernel has no IP Virtual Server: run `modprobe ip_vs`; in a container, on the host";
        assert!(lines[0].starts_with("lb-director: the data plane ipvs does not work here: "), "{said}");
        assert!(lines[0].ends_with(lacks), "{said}");
        assert_eq!(lines[1], "status 1", "{said}");
        let planes: Vec<&String> = lines.iter().filter(|line| line.starts_with("data plane ")).collect();
        let [first, second] = planes[..] else { panic!("{said}") };
        assert!(
            first.starts_with("data plane nft (ipvs: ") || first.starts_with("data plane relay (ipvs: "),
            "{said}"
        );
        assert!(first.contains(lacks), "{said}");
        assert_eq!(second, "data plane ipvs (the kernel has it)", "{said}");
        assert_eq!(lines.last().unwrap(), "1", "{said}");
    });
}
