use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    burst::{Burst, FRAMES, Occasion},
    desk::{Aim, Desk, Wanted},
    job::Job,
    rescue::Rescued,
};
use crate::driver::{
    address::VirtualAddress,
    notice::{Happening, Teller},
    platform::{AddressChange, Addressing, Announcement, VirtualLink},
};

/// Addresses that are changed in one go: a few milliseconds of work for the kernel.
const CHUNK: usize = 64;
/// What failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(1);

/// Whether an interface is gone.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Carries out what lies on a [`Desk`].
pub(crate) struct Worker {
    desk: Desk,
    addressing: Arc<dyn Addressing>,
    teller: Teller,
    jobs: HashMap<usize, Box<Job>>,
    /// When to look at a job again; some are out of date.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// An address of a batch, and whose it is.
struct Step {
    place: usize,
    change: AddressChange,
    kind: StepKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StepKind {
    Pass,
    PutBack,
    Retire,
}

impl Worker {
    pub(crate) fn new(desk: Desk, addressing: Arc<dyn Addressing>, teller: Teller) -> Self {
        Self { desk, addressing, teller, jobs: HashMap::new(), due: BinaryHeap::new() }
    }

    /// Works until the desk is closed and empty.
    pub(crate) async fn run(mut self) {
        loop {
            let worked = self.change_some().await;
            if !worked && self.desk.is_closing() {
                return;
            }
            let announced = self.look_again().await;
            if worked || announced {
                tokio::task::yield_now().await;
                continue;
            }
            match self.due.peek() {
                Some(Reverse((due, _))) => {
                    let due = *due;
                    tokio::select! {
                        () = self.desk.ordered() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                None => self.desk.ordered().await,
            }
        }
    }

    /// One batch of changes, of as many instances as it takes.
    async fn change_some(&mut self) -> bool {
        let mut steps = Vec::new();
        let mut taken = Vec::new();
        while steps.len() < CHUNK
            && let Some((place, wanted)) = self.desk.take()
        {
            self.begin(place, wanted).await;
            taken.push(place);
            self.plan(place, &mut steps);
        }
        if taken.is_empty() {
            return false;
        }
        let results = match steps.is_empty() {
            true => Vec::new(),
            false => self.addressing.apply(steps.iter().map(|step| step.change.clone()).collect()).await,
        };
        let mut announcements = Vec::new();
        for (step, result) in steps.iter().zip(results) {
            self.note(step, result, &mut announcements);
        }
        if !announcements.is_empty()
            && let Err(error) = self.addressing.announce(announcements).await
            && let Some(place) = steps.first().map(|step| step.place)
        {
            self.tell(place, Happening::Failed { what: "announcing", error: error.to_string().into() });
        }
        for place in taken {
            self.finish(place).await;
        }
        true
    }

    /// Takes over what is wanted now.
    async fn begin(&mut self, place: usize, mut wanted: Wanted) {
        let known = self.jobs.remove(&place);
        let announce = wanted.announce;
        let mut job = match known {
            Some(mut job) => {
                job.announce = job.announce.max(announce);
                if job.wanted.place != wanted.place {
                    job.link = None;
                }
                if job.wanted.epoch != wanted.epoch {
                    job.restart(wanted);
                } else {
                    job.wanted.ends = wanted.ends;
                    job.wanted.quiet = wanted.quiet;
                    job.wanted.lost.append(&mut wanted.lost);
                    job.wanted.retired.append(&mut wanted.retired);
                }
                job
            }
            None => Box::new(Job::new(wanted)),
        };
        if job.wanted.quiet {
            job.announce = None;
            job.burst = None;
        }
        if job.cursor == 0
            && !job.finished
            && let Err((what, error)) = self.prepare(&mut job).await
        {
            job.fail(&error);
            job.cursor = job.wanted.assets.addresses.len();
            let happening = Happening::Failed { what, error: error.to_string().into() };
            self.teller.tell(self.addressing.now(), &job.wanted.assets.name, happening);
        }
        self.jobs.insert(place, job);
    }

    /// The virtual interface: it is there as long as the instance is, and up while the addresses are.
    async fn prepare(&self, job: &mut Job) -> Result<(), (&'static str, io::Error)> {
        let Some(link) = job.wanted.place.as_ref().and_then(|place| place.link.as_ref()) else {
            return Ok(());
        };
        let link = link.clone();
        if job.link.is_none() && job.wanted.ends {
            return Ok(());
        }
        let index = self.make_link(job, &link).await?;
        if job.installs() {
            let mut result = self.addressing.set_link(index, true).await;
            if result.as_ref().is_err_and(is_gone) {
                // Somebody else has removed it.
                job.link = None;
                result = self.addressing.set_link(self.make_link(job, &link).await?, true).await;
            }
            if result.is_err() {
                job.link = None;
            }
            result.map_err(|error| ("setting the virtual interface up", error))?;
        }
        Ok(())
    }

    async fn make_link(&self, job: &mut Job, link: &VirtualLink) -> Result<u32, (&'static str, io::Error)> {
        if let Some(index) = job.link {
            return Ok(index);
        }
        let made = self.addressing.add_link(link.clone()).await;
        Ok(*job.link.insert(made.map_err(|error| ("making the virtual interface", error))?))
    }

    /// Adds what an instance has to do to a batch.
    fn plan(&mut self, place: usize, steps: &mut Vec<Step>) {
        let Some(job) = self.jobs.get_mut(&place) else { return };
        if job.interface().is_none() {
            return;
        }
        let retired = std::mem::take(&mut job.wanted.retired);
        let own = job.wanted.own.clone();
        let step = |interface, address: &VirtualAddress, add, kind| {
            let change = AddressChange { interface, address: address.clone(), add };
            Step { place, change, kind }
        };
        for address in &retired {
            if !own.contains(&address.addr())
                && let Some(spot) = job.spot(address)
            {
                steps.push(step(spot.interface, address, false, StepKind::Retire));
            }
        }
        for (interface, address) in job.rescue(CHUNK.saturating_sub(steps.len()), Instant::now()) {
            steps.push(step(interface, &address, true, StepKind::PutBack));
        }
        if let Some(release) = job.rescue.as_ref().and_then(|rescue| rescue.release) {
            self.due.push(Reverse((release, place)));
        }
        let add = job.installs();
        if job.wanted.aim == Aim::Leave {
            job.cursor = job.wanted.assets.addresses.len();
        }
        let mut waits = None;
        while job.cursor < job.wanted.assets.addresses.len() && steps.len() < CHUNK {
            let address = &job.wanted.assets.addresses[job.cursor];
            job.cursor += 1;
            // The interface's own addresses are there, and stay.
            if own.contains(&address.addr()) {
                job.installed += usize::from(add);
            } else if let Some(spot) = job.spot(address) {
                steps.push(step(spot.interface, address, add, StepKind::Pass));
            } else if add {
                // The first one stands for all of a pass.
                job.waiting += 1;
                waits = waits.or((job.waiting == 1).then(|| address.clone()));
            }
        }
        if let Some(address) = waits
            && let Some(interface) = address.device().cloned()
        {
            self.tell(place, Happening::AddressWaits { address: address.net, interface });
        }
    }

    fn note(&mut self, step: &Step, result: io::Result<bool>, announcements: &mut Vec<Announcement>) {
        let Some(job) = self.jobs.get_mut(&step.place) else { return };
        let address = &step.change.address;
        match result {
            Ok(changed) => {
                if step.kind == StepKind::Pass {
                    job.changed += usize::from(changed);
                    job.installed += usize::from(step.change.add);
                }
                // With an interval between frames, the burst makes the first round, too.
                let first = step.kind == StepKind::Pass && job.announces_along();
                let put_back = step.kind == StepKind::PutBack && changed;
                if step.change.add && (first || put_back) {
                    announcements.extend(job.announcement(address));
                }
                if put_back {
                    let rescue = job.rescue.get_or_insert_default();
                    rescue.count(address.addr(), step.change.interface, Instant::now());
                }
            }
            Err(error) if is_gone(&error) && job.has_virtual_link() => {
                // Somebody else has removed it, and all addresses with it.
                job.link = None;
                job.announce = Some(Occasion::Active);
                job.again();
            }
            Err(error) => {
                // The first one stands for all of a pass.
                if job.fail(&error) {
                    let error = error.to_string().into();
                    self.tell(step.place, Happening::AddressFailed { address: address.net, error });
                }
            }
        }
    }

    /// After a batch: on with the rest, or what comes after the last address.
    async fn finish(&mut self, place: usize) {
        self.tell_rescued(place).await;
        let Some(job) = self.jobs.get_mut(&place) else { return };
        if job.finished && !job.wanted.lost.is_empty() {
            self.desk.put_back(place);
        }
        if job.wanted.place.is_some() && job.cursor < job.wanted.assets.addresses.len() {
            self.desk.note(place, job.progress());
            return self.desk.put_back(place);
        }
        let now = Instant::now();
        let just_finished = !std::mem::replace(&mut job.finished, true) && job.wanted.place.is_some();
        if job.installs()
            && let Some(occasion) = job.announce
        {
            let begun = just_finished && job.announces_along();
            job.announce = None;
            let burst = Burst::new(&job.wanted.assets.announcing, occasion, now, begun);
            // One that is going on is not begun again by what comes many times a second.
            let goes_on = job.burst.is_some_and(|burst| burst.is_first()) && !just_finished;
            if let Some(burst) = burst.filter(|_| !goes_on) {
                job.burst = Some(burst);
                self.due.push(Reverse((burst.due, place)));
            }
        }
        let is_final = job.wanted.ends || (job.wanted.aim == Aim::Remove && job.is_hopeless());
        if just_finished && job.failed > 0 && !is_final {
            job.retry = Some(now + RETRY);
            self.due.push(Reverse((now + RETRY, place)));
        }
        self.desk.note(place, job.progress());
        let (aim, installed, changed) = (job.wanted.aim, job.installed, job.changed);
        let (link, ends) = (job.link, job.wanted.ends);
        let hopeless = job.reason.clone().filter(|_| job.is_hopeless());
        match aim {
            Aim::Install if just_finished => {
                let installed = Happening::Installed { addresses: installed };
                self.tell(place, hopeless.map_or(installed, |error| Happening::InstallFailed { error }));
            }
            Aim::Remove if just_finished && changed > 0 => {
                self.tell(place, Happening::Removed { addresses: changed });
            }
            _ => {}
        }
        if let Some(link) = link.filter(|_| ends || (just_finished && aim == Aim::Remove)) {
            self.put_away(place, link, ends).await;
        }
        let is_idle = |job: &Job| job.wanted.aim != Aim::Install && job.link.is_none() && job.retry.is_none();
        if ends || self.jobs.get(&place).is_some_and(|job| is_idle(job)) {
            // Thousands of Backups take no room here.
            self.jobs.remove(&place);
        }
        if ends {
            self.desk.free(place);
        }
    }

    async fn tell_rescued(&mut self, place: usize) {
        let rescued = self.jobs.get_mut(&place).and_then(|job| job.rescue.as_mut()?.done.take());
        let Some(Rescued { address, interface, times, more }) = rescued else { return };
        let suspect = self.addressing.suspect(interface).await.map(Arc::from);
        self.tell(place, Happening::PutBack { address, more, times, suspect });
    }

    async fn put_away(&mut self, place: usize, link: u32, ends: bool) {
        let (what, result) = match ends {
            true => ("removing the virtual interface", self.addressing.remove_link(link).await),
            false => ("setting the virtual interface down", self.addressing.set_link(link, false).await),
        };
        if let Err(error) = result {
            if let Some(job) = self.jobs.get_mut(&place) {
                job.link = None;
            }
            self.tell(place, Happening::Failed { what, error: error.to_string().into() });
        }
    }

    /// Announcements and second tries that are due, of as many instances as make a batch.
    async fn look_again(&mut self) -> bool {
        let now = Instant::now();
        let mut announcements = Vec::new();
        let mut first = None;
        while announcements.len() < FRAMES
            && let Some(&Reverse((due, place))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            first.get_or_insert(place);
            let Some(job) = self.jobs.get_mut(&place) else { continue };
            if job.retry.is_some_and(|retry| retry <= now) {
                job.retry = None;
                job.again();
                self.desk.put_back(place);
            }
            if let Some(mut held) = job.rescue.as_mut().and_then(|rescue| rescue.release(now)) {
                job.wanted.lost.append(&mut held);
                self.desk.put_back(place);
            }
            let Some(burst) = job.burst.filter(|burst| burst.due <= now) else { continue };
            let all = job.wanted.assets.addresses.len();
            let count = burst.count(&job.wanted.assets.announcing, all);
            let addresses = job.wanted.assets.addresses[burst.cursor..burst.cursor + count].iter();
            announcements.extend(addresses.filter_map(|address| job.announcement(address)));
            job.burst = burst.after(count, all, &job.wanted.assets.announcing, now);
            if let Some(next) = &job.burst {
                self.due.push(Reverse((next.due, place)));
            }
        }
        let Some(first) = first else { return false };
        if !announcements.is_empty()
            && let Err(error) = self.addressing.announce(announcements).await
        {
            self.tell(first, Happening::Failed { what: "announcing", error: error.to_string().into() });
        }
        true
    }

    fn tell(&self, place: usize, what: Happening) {
        if let Some(job) = self.jobs.get(&place) {
            self.teller.tell(self.addressing.now(), &job.wanted.assets.name, what);
        }
    }
}
