//! `vrrp_instance`: what its lines say. What follows from several of them together is in `settle`.

use std::{net::IpAddr, time::Duration};

use lb_vrrp::{Priority, Vrid};

use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::{
        language::{Block, Directive, Word, keywords::Within},
        model::{InitialState, Notify, Peer, Route, Rule, Tracks, Version, VirtualAddress, Vmac},
    },
};

use super::{
    addresses::{addresses, is_interface_name, no_interface_name},
    authentication::{self, HmacDraft, PassDraft},
    globals::{Defaults, GarpDefaults, version},
    notify::notify,
    routes::{Preferences, routes, rules},
    tracking::{Trackers, no_block, no_entries, tracks},
    values::{
        At, IGNORED, address, address_in, bare, effective, number, number_in, only, seconds, surplus, switch,
    },
};

/// What an instance says of itself, with the places of what others may contradict.
#[derive(Debug)]
pub(super) struct Draft<'d> {
    pub(super) name: &'d Word,
    pub(super) state: Option<At<InitialState>>,
    pub(super) interface: Option<At<String>>,
    pub(super) vrid: Option<At<Vrid>>,
    pub(super) version: Option<At<Version>>,
    pub(super) priority: Option<At<Priority>>,
    pub(super) advert_int: Option<At<Duration>>,
    pub(super) addresses: Vec<At<VirtualAddress>>,
    pub(super) excluded: Vec<At<VirtualAddress>>,
    pub(super) no_addresses: Option<Span>,
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
    pub(super) group: Option<At<IpAddr>>,
    pub(super) source: Option<At<IpAddr>>,
    /// Whatever says that this is unicast, and the peers.
    pub(super) unicast: Option<Span>,
    pub(super) peers: Vec<At<Peer>>,
    /// `unicast_fault_no_peer`.
    pub(super) needs_peer: bool,
    pub(super) unicast_ttl: u8,
    pub(super) track_source: bool,
    pub(super) pass: Option<At<PassDraft>>,
    pub(super) hmac: Option<At<HmacDraft>>,
    pub(super) vmac: Option<At<VmacDraft>>,
    pub(super) vmac_xmit_base: Option<Span>,
    pub(super) accept: Option<At<bool>>,
    pub(super) strict: bool,
    pub(super) nopreempt: Option<Span>,
    pub(super) preempt_delay: Option<At<Duration>>,
    pub(super) down_timer_adverts: Option<At<u8>>,
    pub(super) garp: GarpDefaults,
    pub(super) lower_prio_no_advert: Option<bool>,
    pub(super) higher_prio_send_advert: Option<bool>,
    pub(super) check_unicast_src: bool,
    pub(super) skip_check_adv_addr: bool,
    pub(super) owner_ignore_adverts: bool,
    pub(super) v3_checksum_as_v2: bool,
    pub(super) step_down_when_late: bool,
    pub(super) promote_secondaries: bool,
    pub(super) dont_track_primary: bool,
    pub(super) tracks: Tracks,
    pub(super) notify: Notify,
    /// What is wrong with its `virtual_router_id` was said; there is no use in saying that it is missing.
    pub(super) refused: bool,
}

impl<'d> Draft<'d> {
    fn new(name: &'d Word, defaults: &Defaults) -> Self {
        Self {
            name,
            state: None,
            interface: None,
            vrid: None,
            version: None,
            priority: None,
            advert_int: None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            no_addresses: None,
            routes: Vec::new(),
            rules: Vec::new(),
            group: None,
            source: None,
            unicast: None,
            peers: Vec::new(),
            needs_peer: false,
            unicast_ttl: u8::MAX,
            track_source: false,
            pass: None,
            hmac: None,
            vmac: None,
            vmac_xmit_base: None,
            accept: None,
            strict: defaults.strict,
            nopreempt: None,
            preempt_delay: None,
            down_timer_adverts: None,
            garp: defaults.garp.for_instance(),
            lower_prio_no_advert: defaults.lower_prio_no_advert,
            higher_prio_send_advert: defaults.higher_prio_send_advert,
            check_unicast_src: defaults.check_unicast_src,
            skip_check_adv_addr: defaults.skip_check_adv_addr,
            owner_ignore_adverts: defaults.owner_ignore_adverts,
            v3_checksum_as_v2: defaults.v3_checksum_as_v2,
            step_down_when_late: false,
            promote_secondaries: false,
            dont_track_primary: false,
            tracks: Tracks::default(),
            notify: Notify {
                priority_changes: defaults.priority_changes,
                mail: defaults.mail,
                ..Notify::default()
            },
            refused: false,
        }
    }
}

/// `use_vmac`.
#[derive(Debug, Default)]
pub(super) struct VmacDraft {
    pub(super) vmac: Vmac,
    /// Five octets are given; the sixth is the virtual router id.
    pub(super) mac_lacks_vrid: bool,
}

/// Reads a block.
pub(super) fn read<'d>(
    directive: &'d Directive,
    defaults: &Defaults,
    trackers: &mut Trackers,
    preferences: &mut Preferences,
    problems: &mut Problems,
) -> Option<Draft<'d>> {
    let name = only(directive, "a name", problems)?;
    let Some(block) = &directive.block else {
        problems.push(no_block(directive));
        return None;
    };
    let mut draft = Draft::new(name, defaults);
    for directive in effective(block, Within::Instance, problems) {
        if tracks(directive, &mut draft.tracks, trackers, problems)
            || draft.lists(directive, preferences, problems)
        {
            continue;
        }
        let known = notify(directive, &mut draft.notify, problems)
            || draft.garp.directive(directive.keyword(), directive, problems)
            || draft.identity(directive, problems)
            || draft.transport(directive, problems);
        if !known {
            draft.behaviour(directive, problems);
        }
    }
    Some(draft)
}

impl Draft<'_> {
    /// Blocks that add to what is there.
    fn lists(
        &mut self,
        directive: &Directive,
        preferences: &mut Preferences,
        problems: &mut Problems,
    ) -> bool {
        let keyword = directive.keyword();
        let known = matches!(
            keyword,
            "virtual_ipaddress"
                | "virtual_ipaddress_excluded"
                | "virtual_routes"
                | "virtual_rules"
                | "unicast_peer"
        );
        if !known {
            return false;
        }
        let Some(block) = &directive.block else {
            problems.push(no_entries(directive));
            return true;
        };
        match keyword {
            "virtual_ipaddress" => self.addresses.extend(addresses(block, problems)),
            "virtual_ipaddress_excluded" => self.excluded.extend(addresses(block, problems)),
            "virtual_routes" => self.routes.extend(routes(block, problems)),
            "virtual_rules" => self.rules.extend(rules(block, preferences, problems)),
            _ => {
                self.unicast = Some(directive.span());
                self.peers(block, problems);
            }
        }
        true
    }

    /// `unicast_peer { ADDRESS [min_ttl N] [max_ttl N] }`.
    fn peers(&mut self, block: &Block, problems: &mut Problems) {
        for entry in &block.directives {
            let Some(first) = entry.words.first() else { continue };
            let Some(address) = address_in("a peer", first, problems) else { continue };
            let mut peer = Peer { address, min_ttl: None, max_ttl: None };
            let mut words = entry.parameters().iter();
            while let Some(word) = words.next() {
                let slot = match word.text.as_str() {
                    "min_ttl" => &mut peer.min_ttl,
                    "max_ttl" => &mut peer.max_ttl,
                    other => {
                        problems.push(
                            Diagnostic::mistake(word.span, format!("`{other}` is no option of a peer"))
                                .label("expected min_ttl or max_ttl")
                                .instead(IGNORED)
                                .did_you_mean(other, ["min_ttl", "max_ttl"]),
                        );
                        continue;
                    }
                };
                match words.next() {
                    Some(value) => *slot = number_in(&word.text, value, 0..=u8::MAX, problems),
                    None => problems.push(
                        Diagnostic::mistake(word.span, format!("`{}` has no value", word.text))
                            .label("expected a number from 0 to 255")
                            .instead(IGNORED),
                    ),
                }
            }
            if let (Some(min), Some(max)) = (peer.min_ttl, peer.max_ttl)
                && min > max
            {
                problems.push(
                    Diagnostic::error(entry.span(), format!("min_ttl {min} is greater than max_ttl {max}"))
                        .note("nothing that this peer sends would be taken"),
                );
            }
            self.check_unicast_src |= peer.min_ttl.is_some() || peer.max_ttl.is_some();
            self.peers.push(At::new(peer, entry.span()));
        }
    }

    fn identity(&mut self, directive: &Directive, problems: &mut Problems) -> bool {
        match directive.keyword() {
            "state" => self.state = state(directive, problems).or(self.state),
            "interface" => {
                if let Some(word) = only(directive, "the name of an interface", problems) {
                    if !is_interface_name(&word.text) {
                        problems.push(no_interface_name(word.span, &word.text));
                    }
                    self.interface = Some(At::new(word.text.to_string(), word.span));
                }
            }
            "virtual_router_id" => {
                let number = match self.vrid {
                    Some(_) => number(directive, 1..=u8::MAX, problems),
                    None => problems.strictly(|problems| number(directive, 1..=u8::MAX, problems)),
                };
                self.vrid =
                    number.and_then(|at| Some(At::new(Vrid::new(at.value).ok()?, at.span))).or(self.vrid);
                self.refused |= self.vrid.is_none();
            }
            "priority" => {
                let number = number(directive, 1..=u8::MAX, problems);
                let number = number.map_or(Priority::DEFAULT.get(), |at| at.value);
                self.priority = Priority::new(number).ok().map(|value| At::new(value, directive.span()));
            }
            "version" => self.version = version(directive, problems).or(self.version),
            "advert_int" => {
                const RANGE: std::ops::RangeInclusive<Duration> =
                    Duration::from_millis(10)..=Duration::from_secs(255);
                self.advert_int = seconds(directive, RANGE, problems).or(self.advert_int);
            }
            "no_virtual_ipaddress" => self.no_addresses = Some(directive.span()),
            "authentication" => {
                self.pass = authentication::pass(directive, problems).map(|it| At::new(it, directive.span()));
            }
            "auth_hmac" => {
                self.hmac = authentication::hmac(directive, problems).map(|it| At::new(it, directive.span()));
            }
            _ => return false,
        }
        true
    }

    fn transport(&mut self, directive: &Directive, problems: &mut Problems) -> bool {
        match directive.keyword() {
            "mcast_src_ip" => self.source = address(directive, problems).or(self.source),
            "unicast_src_ip" => {
                self.source = address(directive, problems).or(self.source);
                self.unicast.get_or_insert(directive.span());
            }
            "mcast_dst_ip" => self.group = address(directive, problems).or(self.group),
            "unicast_ttl" => {
                let ttl = number(directive, 0..=u8::MAX, problems);
                self.unicast_ttl = ttl.map_or(self.unicast_ttl, |at| at.value);
                self.unicast.get_or_insert(directive.span());
            }
            "unicast_fault_no_peer" | "old_unicast_checksum" => {
                self.needs_peer |= directive.keyword() == "unicast_fault_no_peer";
                self.unicast.get_or_insert(directive.span());
            }
            "track_src_ip" => self.track_source = bare(directive, problems),
            "check_unicast_src" => self.check_unicast_src = bare(directive, problems),
            "use_vmac" => {
                let mut new = vmac(directive, problems);
                // The first name counts, and of the rest the last.
                new.vmac.name =
                    self.vmac.take().and_then(|earlier| earlier.value.vmac.name).or(new.vmac.name);
                self.vmac = Some(At::new(new, directive.span()));
            }
            "vmac_xmit_base" => self.vmac_xmit_base = Some(directive.span()),
            _ => return false,
        }
        true
    }

    fn behaviour(&mut self, directive: &Directive, problems: &mut Problems) {
        let on =
            |slot: &mut bool, problems: &mut Problems| *slot = switch(directive, problems).unwrap_or(*slot);
        match directive.keyword() {
            "accept" => self.accept = Some(At::new(bare(directive, problems), directive.span())),
            "no_accept" => self.accept = Some(At::new(!bare(directive, problems), directive.span())),
            "preempt" => self.nopreempt = None,
            "nopreempt" => {
                bare(directive, problems);
                self.nopreempt = Some(directive.span());
            }
            "preempt_delay" => {
                const RANGE: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(1000);
                self.preempt_delay = seconds(directive, RANGE, problems).or(self.preempt_delay);
            }
            "down_timer_adverts" => {
                self.down_timer_adverts = number(directive, 1..=100, problems).or(self.down_timer_adverts);
            }
            "lower_prio_no_advert" => {
                self.lower_prio_no_advert = switch(directive, problems).or(self.lower_prio_no_advert);
            }
            "strict_mode" => on(&mut self.strict, problems),
            "higher_prio_send_advert" => {
                self.higher_prio_send_advert = switch(directive, problems).or(self.higher_prio_send_advert);
            }
            // Of what keepalived reads here, `off` means the same as `on`.
            "skip_check_adv_addr" => self.skip_check_adv_addr |= switch(directive, problems).is_some(),
            "owner_ignore_adverts" => on(&mut self.owner_ignore_adverts, problems),
            "v3_checksum_as_v2" => on(&mut self.v3_checksum_as_v2, problems),
            "promote_secondaries" => self.promote_secondaries = bare(directive, problems),
            "dont_track_primary" => self.dont_track_primary = bare(directive, problems),
            // With which priority it is one again is what the protocol says.
            "timer_expired_backup" | "thread_timer_expired" => self.step_down_when_late = true,
            _ => {}
        }
    }
}

fn state(directive: &Directive, problems: &mut Problems) -> Option<At<InitialState>> {
    let word = only(directive, "MASTER or BACKUP", problems)?;
    let state = match word.text.as_str() {
        "MASTER" => InitialState::Master,
        "BACKUP" => InitialState::Backup,
        other => {
            problems.push(
                Diagnostic::mistake(word.span, format!("`{other}` is no state"))
                    .label("expected MASTER or BACKUP; it begins as BACKUP, as with keepalived")
                    .did_you_mean(other, ["MASTER", "BACKUP"]),
            );
            InitialState::Backup
        }
    };
    Some(At::new(state, word.span))
}

/// `use_vmac [NAME] [MAC]`, with 5 or 6 octets.
fn vmac(directive: &Directive, problems: &mut Problems) -> VmacDraft {
    let mut draft = VmacDraft::default();
    let mut words = directive.parameters();
    while let [word, rest @ ..] = words {
        words = rest;
        match word.text.as_str() {
            "name" | "netlink_notify_msg" => {}
            "group" => words = words.get(1..).unwrap_or_default(),
            text if text.contains(':') => {
                let Some((mac, octets)) = mac(text) else {
                    problems.push(
                        Diagnostic::mistake(word.span, format!("`{text}` is no Ethernet address"))
                            .label("expected 5 or 6 octets, such as 00:00:5e:00:01:33")
                            .instead(IGNORED),
                    );
                    continue;
                };
                draft.vmac.mac = Some(mac);
                draft.mac_lacks_vrid = octets == 5;
            }
            name if draft.vmac.name.is_none() => {
                if is_interface_name(name) {
                    draft.vmac.name = Some(name.to_owned());
                } else {
                    problems.push(
                        Diagnostic::mistake(
                            word.span,
                            format!("`{name}` can not be the name of an interface"),
                        )
                        .label("the usual name is used, as with keepalived"),
                    );
                }
            }
            _ => surplus(directive, std::slice::from_ref(word), problems),
        }
    }
    draft
}

/// The octets, and how many were given.
fn mac(text: &str) -> Option<([u8; 6], usize)> {
    let mut octets = [0; 6];
    let mut count = 0;
    for part in text.split(':') {
        *octets.get_mut(count)? = u8::from_str_radix(part, 16).ok().filter(|_| part.len() <= 2)?;
        count += 1;
    }
    (count >= 5).then_some((octets, count))
}
