//! Servers behind the director, which masquerades.

use std::collections::BTreeMap;

use crate::{
    guest::on_ipvs,
    site::{Site, VIP},
};

#[test]
fn a_service_is_listed() {
    on_ipvs(|| {
        let site = Site::nat(0);
        site.ipvsadm("-A -t 10.0.0.1:80 -s wlc");
        site.ipvsadm("-a -t 10.0.0.1:80 -r 192.168.0.1:80 -m -w 7");
        let listed = site.ipvsadm("-L -n");
        let lines: Vec<&str> = listed.lines().map(str::trim_end).skip(3).collect();
        let server = "  -> 192.168.0.1:80               Masq    7      0          0";
        assert_eq!(lines, ["TCP  10.0.0.1:80 wlc", server]);
    });
}

#[test]
fn requests_go_round() {
    on_ipvs(|| {
        let site = Site::nat(3);
        let _webs = site.webs(80);
        let servers = |number| format!("-a -t {VIP}:80 -r 192.168.0.{number}:80 -m\n");
        site.restore(&format!("-A -t {VIP}:80 -s rr\n{}", (1..=3).map(servers).collect::<String>()));
        let answers = site.ask(&format!("{VIP}:80"), 30);
        let mut shares = BTreeMap::new();
        for answer in &answers {
            *shares.entry(&**answer).or_insert(0) += 1;
        }
        assert_eq!(shares, BTreeMap::from([("web1", 10), ("web2", 10), ("web3", 10)]));
        // The newest first, and always in the same order.
        assert!(answers.chunks(3).all(|round| round == ["web3", "web2", "web1"]), "{answers:?}");
    });
}
