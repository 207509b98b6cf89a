//! Keywords that stand twice, and words that keepalived reads otherwise than they look.

use super::*;

#[test]
fn every_type_of_record_that_keepalived_knows_can_be_asked_for() {
    for name in ["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG"] {
        let CheckerKind::Dns { record, .. } = check(&format!("DNS_CHECK {{\ntype {name}\n}}")).kind else {
            panic!()
        };
        assert_eq!(record.to_string(), name);
    }
}

#[test]
fn a_virtual_server_that_nobody_stands_behind_is_named() {
    let said = |lines: &str| {
        let text = format!("{HEAD}{lines}\n}}\n");
        let (document, sources, mut problems) = language::read_text(
            &text,
            Path::new("f"),
            &Settings::default(),
            &mut language::Machine::default(),
        );
        crate::keepalived::resolve::resolve(&document, &mut problems);
        problems.finish().iter().map(|problem| problem.line(&sources)).collect::<Vec<_>>()
    };
    let [none] = &said("")[..] else { panic!() };
    assert!(none.contains("the virtual server has no real server"), "{none}");
    let [idle] = &said("real_server 192.168.0.1 80 {\nweight 0\n}")[..] else { panic!() };
    assert!(idle.contains("all real servers have weight 0"), "{idle}");
    assert_eq!(said("real_server 192.168.0.1 80 {\n}"), [""; 0]);
}

#[test]
fn words_behind_a_program_of_a_check_are_neither_arguments_nor_a_user() {
    let text = format!(
        "{HEAD}real_server 192.168.0.1 80 {{\nMISC_CHECK {{\nmisc_path /bin/x 198.51.100.9 80\n}}\n}}\n}}\n"
    );
    let (servers, problems) = resolve(&text);
    let CheckerKind::Misc { command, .. } = &servers[0].reals[0].checkers[0].kind else {
        panic!("{servers:?}")
    };
    assert_eq!((command.argv.as_slice(), &command.user), (&["/bin/x".to_owned()][..], &None));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("words behind the program of `misc_path`"), "{problems:?}");
}

#[test]
fn addresses_of_servers_are_taken_without_their_prefixes() {
    let text = HEAD.replace("10.0.0.1", "10.0.0.1/32")
        + "sorry_server 192.168.0.9/32 80\nreal_server 192.168.0.1/32 80 {\nTCP_CHECK {\nconnect_ip 192.168.0.2/24\n\
           bindto 192.168.0.3/24\n}\n}\n}\n";
    let (servers, problems) = resolve(&text);
    let target = &servers[0].reals[0].checkers[0].target;
    assert_eq!(servers[0].services, [key("tcp:10.0.0.1:80")]);
    assert_eq!(
        (target.address.ip(), target.source),
        ([192, 168, 0, 2].into(), Some([192, 168, 0, 3].into()))
    );
    assert_eq!(servers[0].sorry.unwrap().key.address, std::net::IpAddr::from([192, 168, 0, 9]));
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert!(
        problems.iter().all(|line| line.contains("stands where the address of a host does")),
        "{problems:?}"
    );
}

#[test]
fn of_two_settings_of_a_virtual_server_that_counts_which_counts_for_keepalived() {
    let text = format!(
        "{HEAD}quorum_up /bin/a\nquorum_up /bin/b\nreal_server 192.168.0.1 80 {{\nnotify_up /bin/a\nnotify_up /bin/b\n\
         weight 2\nweight 3\nDNS_CHECK {{\nname a.example\nname b.example\n}}\nUDP_CHECK {{\nrequire_reply 0a\n\
         require_reply\n}}\nHTTP_GET {{\nurl {{\nstatus_code 200\nstatus_code 204\n}}\n}}\n}}\n}}\n"
    );
    let (servers, problems) = resolve(&text);
    let real = &servers[0].reals[0];
    let program = |script: &Option<ScriptCommand>| script.as_ref().unwrap().argv[0].clone();
    assert_eq!(
        (program(&servers[0].quorum_up), program(&real.notify_up)),
        ("/bin/a".into(), "/bin/a".into())
    );
    assert_eq!(real.spec.weight, Weight::new(3));
    let [dns, udp, http] = &real.checkers[..] else { panic!("{real:?}") };
    assert!(matches!(&dns.kind, CheckerKind::Dns { name, .. } if name == "a.example"));
    assert!(matches!(&udp.kind, CheckerKind::Udp { reply: Some(reply), .. } if reply.bytes == [(10, 255)]));
    let CheckerKind::Http { urls, .. } = &http.kind else { panic!("{http:?}") };
    assert_eq!(urls[0].status.to_string(), "200,204");
    assert_eq!(problems.iter().filter(|line| line.contains("is set twice")).count(), 5, "{problems:?}");
}
