//! `track_interface`: up is what has IFF_UP and IFF_RUNNING, as rtnetlink(7) tells of it.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::Duration,
};

use lb_config::keepalived::model::InterfaceDelays;
use lb_control::{
    event::TrackerId,
    wording::tracker::{ABSENT, NOTE},
};
use lb_vrrp::track::Status;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{LinkAttribute, LinkFlags, LinkMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::{
    io::unix::AsyncFd,
    sync::watch,
    time::{Instant, sleep},
};

use super::{Report, Reports, at, lasting::Lasting, pollable};

/// Interfaces by name, and their delays.
pub(super) type Wanted = BTreeMap<String, InterfaceDelays>;

/// RTNLGRP_LINK.
const GROUP: u32 = 1;
/// More than the kernel puts into one datagram.
const BUFFER: usize = 1 << 16;
/// Until it is tried again when netlink fails.
const RETRY: Duration = Duration::from_secs(1);

/// Watches for as long as there is somebody who wants something.
pub(super) async fn watch(mut wanted: watch::Receiver<Wanted>, reports: Reports) {
    let mut states = BTreeMap::new();
    loop {
        let error = match follow(&mut wanted, &mut states, &reports).await {
            Ok(()) => return,
            Err(error) => error,
        };
        for name in wanted.borrow_and_update().keys() {
            let state: &mut State = states.entry(name.clone()).or_default();
            let status = state.said.as_ref().map_or(Status::Unknown, |(status, _)| *status);
            let detail = format!("{NOTE}netlink fails and is tried again: {error}");
            state.say(TrackerId::Interface(name.clone()), status, detail, &reports);
        }
        sleep(RETRY).await;
    }
}

/// One interface.
#[derive(Default)]
struct State {
    up: Lasting<bool>,
    said: Option<(Status, String)>,
}

impl State {
    fn say(&mut self, id: TrackerId, status: Status, detail: String, reports: &Reports) {
        if self.said.as_ref().is_some_and(|said| *said == (status, detail.clone())) {
            return;
        }
        self.said = Some((status, detail.clone()));
        // Nobody listens once the daemon ends.
        let _ = reports.send(Report { id, status, detail });
    }
}

/// Ends well when nobody wants anything any more.
async fn follow(
    wanted: &mut watch::Receiver<Wanted>,
    states: &mut BTreeMap<String, State>,
    reports: &Reports,
) -> io::Result<()> {
    let mut links = Links::default();
    let socket = open()?;
    links.ask(socket.get_ref())?;
    loop {
        if links.is_known() {
            let wanted = wanted.borrow_and_update();
            states.retain(|name, _| wanted.contains_key(name));
            let now = Instant::now();
            for (name, delays) in wanted.iter() {
                let state = states.entry(name.clone()).or_default();
                let found = links.up.get(name).copied();
                let delay = if found == Some(true) { delays.up } else { delays.down };
                let up = state.up.see(found == Some(true), now, delay);
                let (status, detail) = match (up, found) {
                    (true, _) => (Status::Up, "is up"),
                    (false, None) => (Status::Down, ABSENT),
                    (false, _) => (Status::Down, "is down"),
                };
                state.say(TrackerId::Interface(name.clone()), status, detail.to_owned(), reports);
            }
        }
        let due = states.values().filter_map(|state| state.up.due()).min();
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() {
                return Ok(());
            },
            ready = socket.readable() => {
                if let Ok(result) = ready?.try_io(|socket| links.read(socket.get_ref())) {
                    result?;
                }
            }
            () = at(due) => {}
        }
    }
}

fn open() -> io::Result<AsyncFd<Socket>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.add_membership(GROUP)?;
    socket.set_non_blocking(true)?;
    pollable(socket)
}

/// The interfaces of this network namespace.
#[derive(Default)]
struct Links {
    names: BTreeMap<u32, String>,
    up: BTreeMap<String, bool>,
    /// What a full reading has found by now.
    reading: Option<BTreeSet<u32>>,
    read_once: bool,
    /// Something was lost while everything was being read.
    again: bool,
}

impl Links {
    fn is_known(&self) -> bool {
        self.read_once
    }

    /// Asks for all of them.
    fn ask(&mut self, socket: &Socket) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        self.reading = Some(BTreeSet::new());
        Ok(())
    }

    /// Reads one datagram.
    fn read(&mut self, socket: &Socket) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(BUFFER);
        match socket.recv(&mut buffer, 0) {
            Ok(_) => {}
            // Something was lost, since there was no room for it.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {
                if self.reading.is_some() {
                    self.again = true;
                    return Ok(());
                }
                return self.ask(socket);
            }
            Err(error) => return Err(error),
        }
        let mut rest = buffer.as_slice();
        while let Some(length) = rest.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes) as usize)
            && let Some(message) = rest.get(..length).filter(|message| !message.is_empty())
        {
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            // One that can not be understood is of no concern to the others.
            match NetlinkMessage::<RouteNetlinkMessage>::deserialize(message).map(NetlinkMessage::into_parts)
            {
                Ok((_, NetlinkPayload::InnerMessage(message))) => self.take(&message),
                Ok((_, NetlinkPayload::Done(_))) => {
                    self.end_reading();
                    if std::mem::take(&mut self.again) {
                        self.ask(socket)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &RouteNetlinkMessage) {
        match message {
            // Bridges tell of their ports in the same way.
            RouteNetlinkMessage::NewLink(link) if link.header.interface_family == AddressFamily::Unspec => {
                let index = link.header.index;
                let name = link.attributes.iter().find_map(|attribute| match attribute {
                    LinkAttribute::IfName(name) => Some(name),
                    _ => None,
                });
                let Some(name) = name else { return };
                if let Some(found) = &mut self.reading {
                    found.insert(index);
                }
                if self.names.get(&index) != Some(name) {
                    self.remove(index);
                    self.names.insert(index, name.clone());
                }
                let up = link.header.flags.contains(LinkFlags::Up | LinkFlags::Running);
                self.up.insert(name.clone(), up);
            }
            RouteNetlinkMessage::DelLink(link) if link.header.interface_family == AddressFamily::Unspec => {
                self.remove(link.header.index);
            }
            _ => {}
        }
    }

    fn remove(&mut self, index: u32) {
        let Some(name) = self.names.remove(&index) else { return };
        // Another one may have the name by now.
        if !self.names.values().any(|other| *other == name) {
            self.up.remove(&name);
        }
    }

    fn end_reading(&mut self) {
        let Some(found) = self.reading.take() else { return };
        self.read_once = true;
        let gone: Vec<u32> = self.names.keys().copied().filter(|index| !found.contains(index)).collect();
        gone.into_iter().for_each(|index| self.remove(index));
    }
}
