//! BIND, slapd and FreeRADIUS.

use std::fs;
use std::process::Command;

use lb_health::probe::dns::{Dns, Expect, RecordType};
use lb_health::probe::ldap::Ldap;
use lb_health::probe::radius::Radius;
use lb_health::{FailureKind, Login, Pattern, Secret, Security};

use super::daemon::{Daemon, directory, free_port, kind_of_failure, look, run, target};
use crate::requirements::require_program;

#[tokio::test]
async fn bind() {
    let Some(server) = require_program("bind", "named") else { return };
    let directory = directory();
    let port = free_port();
    let place = directory.path().display();
    let head = "$TTL 60\n@ IN SOA ns.example. root.example. 1 2 3 4 5\n@ IN NS ns.example.\n";
    // Longer than a datagram of 512 bytes.
    let long: String = (0..4).map(|number| format!(" \"{number}{}\"", "x".repeat(200))).collect();
    let forward = format!(
        "{head}ns IN A 192.0.2.53\nwww IN A 192.0.2.1\nwww IN A 192.0.2.2\nwww IN AAAA 2001:db8::1\n\
         alias IN CNAME www\n@ IN MX 10 mail\nmail IN A 192.0.2.25\n_sip._udp IN SRV 1 2 5060 www\n\
         @ IN TXT \"v=spf1 -all\"\nlong IN TXT{long}\n"
    );
    let reverse = format!("{head}1 IN PTR www.example.\n");
    fs::write(directory.path().join("forward"), forward).unwrap();
    fs::write(directory.path().join("reverse"), reverse).unwrap();
    let config = directory.path().join("named.conf");
    fs::write(
        &config,
        format!(
            "options {{ directory \"{place}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
             pid-file none; session-keyfile \"{place}/key\"; recursion no; dnssec-validation no; }};\n\
             controls {{ }};\n\
             zone \"example\" {{ type primary; file \"forward\"; }};\n\
             zone \"2.0.192.in-addr.arpa\" {{ type primary; file \"reverse\"; }};\n"
        ),
    )
    .unwrap();
    let mut daemon = Daemon::start(Command::new(server).arg("-g").arg("-c").arg(&config), directory.path());
    let target = target(port);

    let asking = |name: &str, record: RecordType, expect: Expect| Dns {
        name: name.into(),
        record: Some(record),
        expect,
        tcp: false,
    };
    let matching = |pattern: &str| Expect::Match(Pattern::new(pattern).unwrap());
    let check = asking("www.example", RecordType::A, Expect::Address([192, 0, 2, 2].into()));
    assert_eq!(daemon.until_up(&check, &target).await.detail, "192.0.2.2");
    for (name, record, pattern, detail) in [
        ("WWW.example.", RecordType::Aaaa, "", "2001:db8::1"),
        ("alias.example", RecordType::Cname, "", "www.example"),
        ("example", RecordType::Mx, "^10 ", "10 mail.example"),
        ("example", RecordType::Ns, "", "ns.example"),
        ("example", RecordType::Txt, "spf1", "v=spf1 -all"),
        ("example", RecordType::Soa, " 1 2 3 4 5$", "ns.example root.example 1 2 3 4 5"),
        ("_sip._udp.example", RecordType::Srv, "", "1 2 5060 www.example"),
        ("192.0.2.1", RecordType::Ptr, "^www", "www.example"),
    ] {
        for tcp in [false, true] {
            let check = Dns { tcp, ..asking(name, record, matching(pattern)) };
            assert_eq!(look(&check, &target).await.unwrap().detail, detail);
        }
    }
    // The server cuts this answer off over UDP.
    let long = asking("long.example", RecordType::Txt, matching("^0x{200}1x{200}2x{200}3x{200}$"));
    assert!(look(&long, &target).await.is_ok());
    // Through the alias to the address.
    let alias = asking("alias.example", RecordType::A, Expect::Address([192, 0, 2, 1].into()));
    assert!(look(&alias, &target).await.is_ok());

    for (name, record, expect) in [
        ("www.example", RecordType::A, Expect::Address([192, 0, 2, 3].into())),
        ("www.example", RecordType::Mx, Expect::Record),
        ("missing.example", RecordType::A, Expect::NoError),
        ("other", RecordType::A, Expect::NoError),
    ] {
        assert_eq!(kind_of_failure(&asking(name, record, expect), &target).await, FailureKind::WrongAnswer);
    }
    drop(daemon);
    assert_eq!(kind_of_failure(&check, &target).await, FailureKind::Refused);
    assert_eq!(kind_of_failure(&Dns { tcp: true, ..check }, &target).await, FailureKind::Refused);
}

#[tokio::test]
async fn slapd() {
    let (Some(server), Some(add)) = (require_program("slapd", "slapd"), require_program("slapd", "slapadd"))
    else {
        return;
    };
    let directory = directory();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    let place = directory.path().display();
    let config = directory.path().join("slapd.conf");
    let settings = super::daemon::certificate(directory.path(), "root");
    fs::write(
        &config,
        format!(
            "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
             pidfile {place}/pid\nTLSCertificateFile {place}/cert.pem\n\
             TLSCertificateKeyFile {place}/key.pem\ndatabase mdb\nsuffix \"dc=example\"\nrootdn \"cn=admin,dc=example\"\n\
             rootpw geheim\ndirectory {place}/data\n"
        ),
    )
    .unwrap();
    let entries = directory.path().join("entries");
    fs::write(
        &entries,
        "dn: dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n",
    )
    .unwrap();
    run(Command::new(add).arg("-f").arg(&config).arg("-l").arg(&entries));
    let (port, secure) = (free_port(), free_port());
    let urls = format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{secure}");
    let mut command = Command::new(server);
    command.arg("-f").arg(&config).args(["-h", &urls, "-d", "0"]);
    let mut daemon = Daemon::start(&mut command, directory.path());
    let target_plain = target(port);

    assert_eq!(daemon.until_up(&Ldap::default(), &target_plain).await.detail, "root DSE");
    let check = Ldap {
        login: Some(Login::new("cn=admin,dc=example", "geheim")),
        base: "dc=example".into(),
        expect: Some(Pattern::new("^dc=example$").unwrap()),
        ..Default::default()
    };
    assert_eq!(look(&check, &target_plain).await.unwrap().detail, "dc=example");
    let anonymous = Ldap { login: None, ..check.clone() };
    assert!(look(&anonymous, &target_plain).await.is_ok());
    let missing = Ldap { base: "dc=other".into(), ..check.clone() };
    assert_eq!(kind_of_failure(&missing, &target_plain).await, FailureKind::WrongAnswer);
    let other = Ldap { expect: Some(Pattern::new("^dc=other$").unwrap()), ..check.clone() };
    assert_eq!(kind_of_failure(&other, &target_plain).await, FailureKind::WrongAnswer);
    let wrong = Ldap { login: Some(Login::new("cn=admin,dc=example", "wrong")), ..check.clone() };
    assert_eq!(kind_of_failure(&wrong, &target_plain).await, FailureKind::Denied);

    let direct = Ldap { security: Security::tls(settings.clone()), ..check.clone() };
    assert_eq!(look(&direct, &target(secure)).await.unwrap().detail, "dc=example");
    let start = Ldap { security: Security::start_tls(settings), ..check.clone() };
    assert_eq!(look(&start, &target_plain).await.unwrap().detail, "dc=example");
    drop(daemon);
    assert_eq!(kind_of_failure(&check, &target_plain).await, FailureKind::Refused);
}

#[tokio::test]
async fn freeradius() {
    let Some(server) = require_program("freeradius", "freeradius") else { return };
    let directory = directory();
    let port = free_port();
    let place = directory.path().display();
    fs::write(
        directory.path().join("radiusd.conf"),
        format!(
            "libdir = /usr/lib/freeradius\nlogdir = {place}\nrun_dir = {place}\n\
             security {{\n allow_vulnerable_openssl = yes\n}}\n\
             client localhost {{\n ipaddr = 127.0.0.1\n secret = shared\n require_message_authenticator = yes\n}}\n\
             modules {{\n pap {{\n }}\n files {{\n usersfile = {place}/users\n }}\n}}\n\
             server default {{\n listen {{\n type = auth\n ipaddr = 127.0.0.1\n port = {port}\n }}\n\
             authorize {{\n files\n pap\n }}\n authenticate {{\n Auth-Type PAP {{\n pap\n }}\n }}\n}}\n"
        ),
    )
    .unwrap();
    fs::write(
        directory.path().join("users"),
        "bob Cleartext-Password := \"geheim und lang genug\"\n\tReply-Message := \"hello\"\n",
    )
    .unwrap();
    fs::write(directory.path().join("dictionary"), "$INCLUDE /usr/share/freeradius/dictionary\n").unwrap();
    let mut command = Command::new(server);
    command.args(["-f", "-l", "stdout", "-d"]).arg(directory.path());
    let mut daemon = Daemon::start(&mut command, directory.path());
    let target = target(port);

    let check = Radius {
        secret: Secret::new("shared"),
        login: Login::new("bob", "geheim und lang genug"),
        ..Default::default()
    };
    assert_eq!(daemon.until_up(&check, &target).await.detail, "Access-Accept: hello");
    let wrong = Radius { login: Login::new("bob", "wrong"), ..check.clone() };
    assert_eq!(kind_of_failure(&wrong, &target).await, FailureKind::Denied);
    let stranger = Radius { login: Login::new("mallory", "geheim"), ..check.clone() };
    assert_eq!(kind_of_failure(&stranger, &target).await, FailureKind::Denied);
    // The server ignores requests whose Message-Authenticator is wrong.
    let other = Radius { secret: Secret::new("other"), ..check.clone() };
    assert_eq!(kind_of_failure(&other, &target).await, FailureKind::Timeout);

    drop(daemon);
    assert_eq!(kind_of_failure(&check, &target).await, FailureKind::Refused);
}
