//! What is received: the checks of RFC 9568 §7.1 and RFC 3768 §7.1, then the state's reaction (§6.4.2 and §6.4.3).

use core::{mem::replace, net::IpAddr};

use subtle::ConstantTimeEq;

use super::{
    Cause, ChecksumPolicy, Datagram, Event, Heard, Mode, Peer, Preempt, Profile, State, VirtualRouter,
};
use crate::{
    Envelope, Family, Interval, Priority, Time, Version, VersionMode,
    accept::DropReason,
    wire::{Advert, Authentication, ChecksumForm, checksum_fits},
};

impl VirtualRouter {
    pub(super) fn receive(&mut self, now: Time, datagram: Datagram<'_>) {
        let source = datagram.envelope.source;
        let result = self.accept(now, &datagram).and_then(|(advert, form)| {
            self.hear_version(source, datagram.received.min(now), advert.version)?;
            Ok((advert, form))
        });
        let result = result.and_then(|(advert, form)| {
            if self.ignores_others() {
                return Ok(());
            }
            self.follow_checksum(&datagram, &advert, form);
            self.compare(source, &advert);
            let received = datagram.received.min(now);
            match advert.priority {
                None => self.hear_resignation(now, received, source),
                Some(priority) => {
                    self.heard = Some(Heard { at: received, source, priority, interval: advert.interval });
                    self.note_successor(received);
                    self.hear(now, received, source, priority, advert.interval, advert.version);
                    Ok(())
                }
            }
        });
        match result {
            Ok(()) => self.stats.received += 1,
            Err(reason) => {
                self.stats.count_drop(reason);
                self.note_dropped(datagram.received.min(now), source, reason, datagram.payload);
                self.event(Event::Dropped { source, reason });
            }
        }
    }

    /// The receive checks. Nothing of the state changes but what was told.
    fn accept<'a>(
        &mut self,
        now: Time,
        datagram: &Datagram<'a>,
    ) -> Result<(Advert<'a>, ChecksumForm), DropReason> {
        let envelope = &datagram.envelope;
        if self.state == State::Initialize && !self.lingers() {
            return Err(DropReason::NotRunning);
        }
        let family = Family::of(envelope.source);
        if family != self.config.family() {
            return Err(DropReason::Family(family));
        }
        if let Some(min) = self.config.options.min_ttl
            && envelope.ttl.is_none_or(|ttl| ttl < min)
        {
            return Err(DropReason::Ttl { ttl: envelope.ttl, min });
        }
        if envelope.source == self.source {
            if !replace(&mut self.told.own_address, true) {
                self.event(Event::OwnAddress { source: self.source });
            }
            return Err(DropReason::OwnAddress);
        }
        self.check_mode(envelope.source, envelope.destination)?;
        self.check_peer_ttl(envelope.source, envelope.ttl)?;
        let payload = datagram.payload;
        #[cfg(feature = "hmac")]
        let trailer_len = match &mut self.trailer {
            Some(trailer) => {
                payload.len() - trailer.open(datagram.received.min(now), envelope.source, payload)?.len()
            }
            None => 0,
        };
        #[cfg(not(feature = "hmac"))]
        let trailer_len = 0;
        let (advert, form) = Advert::decode_before_trailer(payload, trailer_len, envelope)?;
        if !self.config.version.speaks(advert.version) {
            return Err(DropReason::Version(advert.version));
        }
        if advert.vrid != self.config.vrid {
            return Err(DropReason::Vrid(advert.vrid.get()));
        }
        self.check_authentication(advert.authentication, envelope.authenticated)?;
        let age = now.since(datagram.received);
        if age > self.down_interval() {
            return Err(DropReason::Stale(age));
        }
        self.check_content(envelope.source, &advert)?;
        Ok((advert, form))
    }

    fn check_mode(&self, source: IpAddr, destination: IpAddr) -> Result<(), DropReason> {
        match &self.config.mode {
            Mode::Multicast(group) if destination != *group => Err(DropReason::Destination(destination)),
            Mode::Multicast(_) => match source {
                IpAddr::V6(source) if source.is_unicast_link_local() => Ok(()),
                // keepalived advertises from other addresses when it is told to.
                IpAddr::V6(source)
                    if self.config.profile == Profile::Strict
                        || source.is_unspecified()
                        || source.is_multicast() =>
                {
                    Err(DropReason::SourceNotLinkLocal)
                }
                _ => Ok(()),
            },
            Mode::Unicast(_) if destination.is_multicast() => Err(DropReason::Destination(destination)),
            Mode::Unicast(peers) if !self.config.options.any_unicast_source && !peers.contains(&source) => {
                Err(DropReason::NotAPeer)
            }
            Mode::Unicast(_) => Ok(()),
        }
    }

    fn check_peer_ttl(&self, source: IpAddr, ttl: Option<u8>) -> Result<(), DropReason> {
        let Some((_, range)) = self.config.peer_ttls.iter().find(|(peer, _)| *peer == source) else {
            return Ok(());
        };
        match ttl {
            Some(ttl) if range.contains(&ttl) => Ok(()),
            _ => Err(DropReason::PeerTtl { ttl, min: *range.start(), max: *range.end() }),
        }
    }

    fn ignores_others(&self) -> bool {
        let owner = self.state == State::Active && self.priority.is_owner();
        owner && self.config.options.owner_ignores_adverts && !self.handing_over
    }

    fn check_authentication(&self, theirs: Authentication, verified: bool) -> Result<(), DropReason> {
        match (self.config.authentication, theirs) {
            (Authentication::None, Authentication::None) => Ok(()),
            (Authentication::Text(ours), Authentication::Text(theirs)) => {
                bool::from(ours.ct_eq(&theirs)).then_some(()).ok_or(DropReason::AuthText)
            }
            (Authentication::Header, Authentication::Header) => {
                verified.then_some(()).ok_or(DropReason::AuthHeader)
            }
            _ => Err(DropReason::AuthType),
        }
    }

    /// What has to agree with our configuration, where it has to.
    fn check_content(&mut self, source: IpAddr, advert: &Advert<'_>) -> Result<(), DropReason> {
        let options = &self.config.options;
        let ours = self.config.interval;
        if self.config.version == VersionMode::V2
            && advert.interval != ours
            && !options.accept_interval_mismatch
        {
            self.compare_interval(source, advert.interval);
            return Err(DropReason::Interval { theirs: advert.interval, ours });
        }
        // RFC 3768 §7.1: the owner's list counts.
        let from_owner = advert.version == Version::V2 && advert.priority == Some(Priority::OWNER);
        if options.strict_addresses && !from_owner && advert.addresses != self.config.addresses.as_addresses()
        {
            self.compare_addresses(source, advert);
            return Err(DropReason::Addresses);
        }
        if options.require_link_local && !starts_link_local(advert) {
            return Err(DropReason::FirstAddressNotLinkLocal);
        }
        Ok(())
    }

    /// Tells, once, what differs from our configuration and is no reason to drop.
    fn compare(&mut self, source: IpAddr, advert: &Advert<'_>) {
        self.compare_interval(source, advert.interval);
        self.compare_addresses(source, advert);
        if starts_link_local(advert) {
            self.told.known(source).into_iter().for_each(|about| about.first_address = false);
        } else if !replace(&mut self.told.about(source).first_address, true) {
            self.event(Event::FirstAddressNotLinkLocal { source });
        }
    }

    fn compare_interval(&mut self, source: IpAddr, theirs: Interval) {
        let ours = self.config.interval;
        if theirs == ours {
            self.told.known(source).into_iter().for_each(|about| about.interval = None);
            return;
        }
        self.stats.interval_errors += 1;
        if self.told.about(source).interval.replace(theirs) != Some(theirs) {
            self.event(Event::IntervalMismatch { source, theirs, ours });
        }
    }

    fn compare_addresses(&mut self, source: IpAddr, advert: &Advert<'_>) {
        if advert.addresses == self.config.addresses.as_addresses() {
            self.told.known(source).into_iter().for_each(|about| about.addresses = false);
            return;
        }
        self.stats.address_list_errors += 1;
        if !replace(&mut self.told.about(source).addresses, true) {
            let count = u8::try_from(advert.addresses.len()).unwrap_or(u8::MAX);
            self.event(Event::AddressMismatch { source, count });
        }
    }

    /// RFC 9568 §8.4.2: who is heard in VRRPv3 is not listened to in VRRPv2.
    fn hear_version(&mut self, source: IpAddr, at: Time, version: Version) -> Result<(), DropReason> {
        let window = self.down_interval();
        let Some(dual) = self.dual.as_deref_mut() else { return Ok(()) };
        let heard = dual.v3.filter(|(who, _, until)| *who == source && at.since(*until) <= window);
        match (version, heard) {
            (Version::V2, Some(_)) => {
                dual.v2 = Some(at);
                dual.told = false;
                return Err(DropReason::HeardInV3);
            }
            (Version::V2, None) => {}
            (Version::V3, None) => {
                *dual = super::Dual { v3: Some((source, at, at)), ..Default::default() };
            }
            (Version::V3, Some((_, since, _))) => {
                dual.v3 = Some((source, since, at));
                let silent = at.since(dual.v2.unwrap_or(since)) > window;
                if silent && !replace(&mut dual.told, true) {
                    self.event(Event::OneVersion { source, version });
                }
            }
        }
        Ok(())
    }

    /// An advertisement that fits the form we send in says nothing about another one, even if it fits that as well.
    fn follow_checksum(&mut self, datagram: &Datagram<'_>, advert: &Advert<'_>, form: ChecksumForm) {
        let applies = advert.version == Version::V3 && self.config.family() == Family::V4;
        if !applies || self.config.checksum != ChecksumPolicy::Auto || self.checksum == form {
            return;
        }
        let Envelope { source, destination, .. } = datagram.envelope;
        let message = &datagram.payload[..advert.encoded_len()];
        if !checksum_fits(message, source, destination, self.checksum) {
            self.checksum = form;
            self.event(Event::ChecksumForm { source, form });
        }
    }

    fn hear_resignation(&mut self, now: Time, received: Time, source: IpAddr) -> Result<(), DropReason> {
        match self.state {
            State::Initialize => {}
            State::Active => {
                self.stats.priority_zero_received += 1;
                // Who has resigned itself does not answer another one that does.
                if !self.handing_over {
                    self.reassert(now, received);
                }
            }
            State::Backup => {
                let of_other = self.active.is_some_and(|active| active.source != source);
                if of_other && self.config.options.resignation_of_active_only {
                    return Err(DropReason::ResignationOfOther);
                }
                self.stats.priority_zero_received += 1;
                // It waits for no more than the skew time already, or for a lower priority to be preempted.
                let waits_less = self.pending != Cause::Silence;
                self.pending = Cause::Resigned(source);
                if self.config.options.only_backup {
                    self.claim(now, Cause::Resigned(source));
                } else {
                    let deadline = received + self.skew_time();
                    self.deadline =
                        if waits_less { self.deadline.min(Some(deadline)) } else { Some(deadline) };
                }
            }
        }
        Ok(())
    }

    fn hear(
        &mut self,
        now: Time,
        received: Time,
        source: IpAddr,
        priority: Priority,
        interval: Interval,
        version: Version,
    ) {
        let owners = priority.is_owner() && self.priority.is_owner() && self.state != State::Initialize;
        if owners && !replace(&mut self.told.about(source).owner, true) {
            self.event(Event::DuplicateOwner { source });
        }
        match self.state {
            State::Initialize => {}
            State::Backup if priority >= self.priority => {
                self.lower_since = None;
                self.follow(received, source, priority, interval);
            }
            State::Backup => self.hear_lower(received, source, priority, interval),
            State::Active if self.is_from_successor(received) => {
                self.yield_to(now, received, source, priority, interval, Cause::HandedOver(source));
            }
            // From before the resignation.
            State::Active if self.handing_over => {}
            State::Active if priority > self.priority => {
                self.yield_to(
                    now,
                    received,
                    source,
                    priority,
                    interval,
                    Cause::HigherPriority(source, priority),
                );
            }
            State::Active if priority == self.priority && source > self.source => {
                self.yield_to(now, received, source, priority, interval, Cause::GreaterAddress(source));
            }
            State::Active => {
                if !self.has_just_preempted(source, received) {
                    self.note_other_active(received, source, priority, interval);
                }
                self.outlast(now, received, version);
            }
        }
    }

    /// A Backup hears a lower priority: it takes this router for the Active one as well, unless it preempts it.
    fn hear_lower(&mut self, received: Time, source: IpAddr, priority: Priority, interval: Interval) {
        if !self.preempts(received) {
            return self.follow(received, source, priority, interval);
        }
        self.pending = Cause::Preempts(source);
        if self.config.options.preempt_after_skew {
            self.deadline = self.deadline.min(Some(received + self.skew_time()));
        }
    }

    /// A Backup whose priority fell, or that is not to preempt any more, follows the router that it was about to preempt.
    pub(super) fn reconsider_preemption(&mut self) {
        let preempts = self.state == State::Backup && matches!(self.pending, Cause::Preempts(_));
        let Some(Heard { at, source, priority, interval }) = self.heard.filter(|_| preempts) else { return };
        if priority >= self.priority {
            self.lower_since = None;
        } else if self.preempts(at) {
            return;
        }
        self.follow(at, source, priority, interval);
    }

    /// Whether a lower priority that is heard at this time is preempted.
    fn preempts(&mut self, received: Time) -> bool {
        match self.config.preempt {
            _ if self.priority.is_owner() => true,
            Preempt::Yes => true,
            Preempt::No => false,
            Preempt::After(delay) => received.since(*self.lower_since.get_or_insert(received)) >= delay,
        }
    }

    /// A Backup takes this router for the Active one.
    fn follow(&mut self, received: Time, source: IpAddr, priority: Priority, interval: Interval) {
        self.learn(source, interval);
        let known = self.active.replace(Peer { source, priority });
        match known {
            Some(known) if known.source == source => {
                if known.priority != priority {
                    self.event(Event::ActivePriority { source, from: known.priority, to: priority });
                }
            }
            _ => self.event(Event::NewActive { source, priority }),
        }
        self.pending = Cause::Silence;
        self.deadline = Some(received + self.down_interval());
        self.try_no_more();
        self.withdraw();
    }

    /// An Active router becomes Backup of this one.
    fn yield_to(
        &mut self,
        now: Time,
        received: Time,
        source: IpAddr,
        priority: Priority,
        interval: Interval,
        cause: Cause,
    ) {
        self.learn(source, interval);
        self.active = Some(Peer { source, priority });
        self.pending = Cause::Silence;
        self.lower_since = None;
        if self.config.options.advertise_when_yielding && !self.handing_over {
            self.advertise(now, false);
        }
        self.become_backup(now, received, cause);
    }

    fn learn(&mut self, source: IpAddr, theirs: Interval) {
        if self.config.version == VersionMode::V2 {
            return;
        }
        self.interval = theirs;
        let Some(cap) = self.config.options.max_learned_interval else { return };
        if theirs <= cap {
            self.told.known(source).into_iter().for_each(|about| about.capped = false);
            return;
        }
        self.interval = cap;
        if !replace(&mut self.told.about(source).capped, true) {
            self.event(Event::IntervalCapped { source, theirs, cap });
        }
    }
}

/// RFC 9568 §5.2.9: an IPv6 list starts with the link-local address of the virtual router.
fn starts_link_local(advert: &Advert<'_>) -> bool {
    match advert.addresses.first() {
        Some(IpAddr::V6(first)) => first.is_unicast_link_local(),
        Some(IpAddr::V4(_)) | None => true,
    }
}
