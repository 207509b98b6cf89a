//! The machine of the driver, with a record of the addresses and links that are installed.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use lb_vrrp::{
    Time, Transmit,
    driver::{
        AddressChange, Addressing, Announcement, Link, LinkChange, Listening, Platform, Received, Via,
        VirtualLink,
    },
};

use crate::inventory::{Entry, Recorder};

/// A platform that records what is installed through it.
pub(super) struct Recording<P> {
    platform: P,
    recorder: Recorder,
}

impl<P> Recording<P> {
    pub(super) fn new(platform: P, recorder: Recorder) -> Self {
        Self { platform, recorder }
    }
}

impl<P: Platform> Platform for Recording<P> {
    fn now(&self) -> Time {
        self.platform.now()
    }

    fn wall_clock(&self) -> Duration {
        self.platform.wall_clock()
    }

    fn link(&self, name: &str) -> Option<&Link> {
        self.platform.link(name)
    }

    fn has_source(&self, address: IpAddr) -> bool {
        self.platform.has_source(address)
    }

    fn poll_change(&mut self) -> Option<LinkChange> {
        self.platform.poll_change()
    }

    fn tolerate(&mut self, lateness: Duration) {
        self.platform.tolerate(lateness);
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>, deadline: Option<Time>) -> Poll<io::Result<()>> {
        self.platform.poll_ready(cx, deadline)
    }

    fn receive(&mut self, deliver: &mut dyn FnMut(u32, Received<'_>)) -> Time {
        self.platform.receive(deliver)
    }

    fn listen(&mut self, on: Listening) -> io::Result<()> {
        self.platform.listen(on)
    }

    fn unlisten(&mut self, on: Listening) {
        self.platform.unlisten(on);
    }

    fn send(&mut self, via: Via, message: Transmit<'_>) {
        self.platform.send(via, message);
    }

    fn flush(&mut self, failed: &mut dyn FnMut(usize, io::Error)) {
        self.platform.flush(failed);
    }

    fn addressing(&self, alone: bool) -> Arc<dyn Addressing> {
        Arc::new(RecordingAddressing {
            addressing: self.platform.addressing(alone),
            recorder: self.recorder.clone(),
            links: Mutex::default(),
        })
    }
}

struct RecordingAddressing {
    addressing: Arc<dyn Addressing>,
    recorder: Recorder,
    /// What was recorded of links, by their index.
    links: Mutex<HashMap<u32, Entry>>,
}

#[async_trait]
impl Addressing for RecordingAddressing {
    fn now(&self) -> Time {
        self.addressing.now()
    }

    async fn apply(&self, changes: Vec<AddressChange>) -> Vec<io::Result<bool>> {
        let added = changes.iter().filter(|change| change.add).map(entry);
        self.recorder.add(added.collect::<Vec<_>>()).await;
        let removed: Vec<Option<Entry>> =
            changes.iter().map(|change| (!change.add).then(|| entry(change))).collect();
        let results = self.addressing.apply(changes).await;
        let gone = removed.into_iter().zip(&results).filter(|(_, result)| result.is_ok());
        self.recorder.remove(gone.filter_map(|(entry, _)| entry));
        results
    }

    async fn announce(&self, announcements: Vec<Announcement>) -> io::Result<()> {
        self.addressing.announce(announcements).await
    }

    async fn suspect(&self, interface: u32) -> Option<String> {
        self.addressing.suspect(interface).await
    }

    async fn add_link(&self, link: VirtualLink) -> io::Result<u32> {
        let entry = Entry::Link { name: link.name.clone(), mac: link.mac };
        self.recorder.add([entry.clone()]).await;
        let made = self.addressing.add_link(link).await;
        if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
            // The interface of that name belongs to somebody else.
            self.recorder.remove([entry]);
            return made;
        }
        let index = made?;
        self.links.lock().unwrap_or_else(PoisonError::into_inner).insert(index, entry);
        Ok(index)
    }

    async fn set_link(&self, interface: u32, up: bool) -> io::Result<()> {
        self.addressing.set_link(interface, up).await
    }

    async fn remove_link(&self, interface: u32) -> io::Result<()> {
        self.addressing.remove_link(interface).await?;
        let entry = self.links.lock().unwrap_or_else(PoisonError::into_inner).remove(&interface);
        self.recorder.remove(entry);
        // Its addresses went with it.
        self.recorder
            .remove_if(|entry| matches!(entry, Entry::Address { interface: on, .. } if *on == interface));
        Ok(())
    }
}

fn entry(change: &AddressChange) -> Entry {
    Entry::Address {
        interface: change.interface,
        net: change.address.net,
        peer: change.address.attributes.as_ref().and_then(|attributes| attributes.peer),
    }
}
