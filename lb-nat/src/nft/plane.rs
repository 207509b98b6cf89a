//! The data plane: one table, one program, one picture of what is there.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    sync::OnceLock,
};

use async_trait::async_trait;
use tokio::sync::Mutex;
use tracing::{info, warn};

use lb_core::{
    Change, DataPlane,
    dataplane::{Connection, DataPlaneError, ErrorKind, Refused, ServerCounters, ServiceCounters, Traffic},
    model::{Family, ServiceKey, ServiceTable},
};

use super::{
    batch::{self, Picture, Piece},
    command::{Failure, Program},
    config::{NftConfig, TableName},
    conntrack, forward, name,
    objects::Transition,
    plan, readback, support,
    table_lock::TableLock,
    watch::Watch,
};

/// A data plane in nftables. See the [module](super) for what it can do.
#[derive(Debug)]
pub struct Nft {
    config: NftConfig,
    program: Program,
    state: Mutex<State>,
    lock: OnceLock<TableLock>,
    /// `None` when the kernel's notifications cannot be had.
    watch: OnceLock<Option<Watch>>,
}

#[derive(Debug)]
struct State {
    /// What is in the kernel; `None` when it has to be looked at first.
    picture: Option<Picture>,
    /// Longest text that goes into one transaction.
    longest: usize,
    /// What was warned about, so that it is said once.
    said: BTreeSet<String>,
}

impl Nft {
    /// A data plane with this configuration. Nothing is done yet.
    pub fn new(config: NftConfig) -> Self {
        let program = Program::new(&config.program, config.timeout);
        let state = State { picture: None, longest: usize::MAX, said: BTreeSet::new() };
        Self { config, program, state: Mutex::new(state), lock: OnceLock::new(), watch: OnceLock::new() }
    }

    /// Takes the table for this process until the data plane is dropped or the process has ended. Waits a moment for a
    /// predecessor that is about to end.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when another process has taken it.
    pub async fn acquire(&self) -> Result<(), DataPlaneError> {
        if self.lock.get().is_none() {
            let lock = TableLock::acquire(&self.config.table).await?;
            let _ = self.lock.set(lock);
        }
        Ok(())
    }

    /// Whether it works here: the program, the privilege, the kernel's support and forwarding. Changes nothing.
    ///
    /// # Errors
    /// The first thing that is missing, with its remedy in one line.
    pub async fn probe(&self) -> Result<(), DataPlaneError> {
        let table = TableName::default();
        let steps = Transition::between(&Default::default(), &plan::sample(&self.config));
        let text = format!("add table inet {table}\n{}", steps.render(&table));
        self.program.run(&["-c", "-f", "-"], &text).await?;
        if is_forwarding(Family::V4) == Some(false) && is_forwarding(Family::V6) != Some(true) {
            return Err(DataPlaneError::new(ErrorKind::Unavailable, no_forwarding(Family::V4)));
        }
        Ok(())
    }

    /// Whether every service and server of a table can be had with this configuration. Asks nobody.
    ///
    /// # Errors
    /// The first that can not, and what to use instead.
    pub fn supports(&self, table: &ServiceTable) -> Result<(), DataPlaneError> {
        support::table(table, &self.config)
    }

    /// Removes the whole table, services and all. Established connections go on.
    ///
    /// # Errors
    /// When the table is somebody else's, or the kernel refuses.
    pub async fn clear(&self) -> Result<(), DataPlaneError> {
        let mut state = self.state.lock().await;
        state.picture = None;
        if self.load(&mut state.said).await?.exists {
            self.program.run(&["-f", "-"], &format!("delete table inet {}\n", self.config.table)).await?;
        }
        Ok(())
    }

    /// Looks at the table.
    async fn load(&self, said: &mut BTreeSet<String>) -> Result<Picture, DataPlaneError> {
        let table = self.config.table.to_string();
        // Terse: the clients of persistence are many and say nothing about the services.
        let listing = match self.program.run(&["-j", "-t", "list", "table", "inet", &table], "").await {
            Ok(listing) => listing,
            Err(Failure::Stale(_)) => return Ok(Picture::default()),
            Err(failure) => return Err(failure.into()),
        };
        let mut objects = readback::objects(&listing).map_err(|error| self.unreadable(&error))?;
        readback::ownership(&objects, &self.config.table)?;
        let sets = readback::base_part(&objects, &self.config).sets;
        for (set, declared) in sets {
            let arguments = ["-j", "list", declared.kind, "inet", &table, &set];
            let listing = self.program.run(&arguments, "").await?;
            for (key, target) in
                readback::elements(&set, &listing).map_err(|error| self.unreadable(&error))?
            {
                objects.elements.insert((set.clone(), key), target);
            }
        }
        let meaning = readback::meaning(&objects, &self.config);
        let mut found = BTreeSet::new();
        if meaning.base_damaged && !objects.chains.is_empty() {
            found.insert("its hooks or dispatch were changed by hand".to_owned());
        }
        found.extend(meaning.damaged.iter().map(|key| format!("the rules of {key} were changed by hand")));
        found.extend(meaning.strangers.iter().map(|name| format!("`{name}` is not of this program")));
        for finding in found.difference(said) {
            warn!(table, "nftables: {finding}");
        }
        said.retain(|text| found.contains(text) || !text.contains(' '));
        said.extend(found);
        Ok(Picture { exists: true, objects, table: meaning.table })
    }

    fn unreadable(&self, error: &serde_json::Error) -> DataPlaneError {
        let detail = format!("nft's listing of table inet {} is not JSON: {error}", self.config.table);
        DataPlaneError::new(ErrorKind::Invalid, detail)
    }

    /// Makes pieces in as few transactions as possible. `Err` gives the pieces back that a changed table is in the way
    /// of.
    async fn commit(
        &self,
        picture: &mut Picture,
        longest: &mut usize,
        pieces: Vec<Piece>,
        refused: &mut Vec<Refused>,
        may_be_stale: bool,
    ) -> Result<(), Stop> {
        let mut groups = grouped(pieces, *longest);
        while let Some(mut group) = groups.pop_front() {
            let text = batch::render(&group, &self.config.table);
            let result = match text.is_empty() {
                true => Ok(Vec::new()),
                false => self.program.run(&["-f", "-"], &text).await,
            };
            match result {
                Ok(_) => group.iter().for_each(|piece| picture.made(piece)),
                Err(Failure::Stale(_)) if may_be_stale => {
                    let rest = std::iter::once(group).chain(groups).flatten();
                    return Err(Stop::Stale(rest.flat_map(|piece| piece.indices).collect()));
                }
                Err(Failure::Fatal(error)) => return Err(Stop::Fatal(error)),
                Err(failure) if group.len() > 1 => {
                    if failure == Failure::TooLong {
                        *longest = text.len() / 2;
                    }
                    let all = group.split_off(group.len() / 2);
                    groups.push_front(all);
                    groups.push_front(group);
                }
                Err(failure) => {
                    let error = DataPlaneError::from(failure);
                    let piece = group.remove(0);
                    if piece.service.is_none() {
                        return Err(Stop::Fatal(error));
                    }
                    refused
                        .extend(piece.indices.iter().map(|&index| Refused { index, error: error.clone() }));
                }
            }
        }
        Ok(())
    }

    /// Warns of what works otherwise than asked, once for each cause.
    fn advise(&self, pieces: &[Piece], before: &ServiceTable, said: &mut BTreeSet<String>) {
        for (key, service) in pieces.iter().filter_map(|piece| piece.stand_in(before)) {
            warn!(service = %key, scheduler = %service.spec.scheduler, "nftables: wrr stands in for the scheduler");
        }
        for family in [Family::V4, Family::V6] {
            let is_used = pieces.iter().filter_map(|piece| piece.service).any(|key| key.family() == family);
            if is_used && is_forwarding(family) == Some(false) && said.insert(family.to_string()) {
                warn!("nftables: {}", no_forwarding(family));
            }
        }
    }
}

/// Why a batch was not gone through with.
enum Stop {
    /// The table is not as it was thought to be; these changes are still to be made.
    Stale(Vec<usize>),
    /// No change can be made.
    Fatal(DataPlaneError),
}

/// Pieces in groups whose text is not longer than `longest`, unless one piece is.
fn grouped(pieces: Vec<Piece>, longest: usize) -> VecDeque<Vec<Piece>> {
    let mut groups = VecDeque::from([Vec::new()]);
    let mut length = 0_usize;
    for piece in pieces {
        length = length.saturating_add(piece.len());
        match groups.back_mut() {
            Some(group) if length <= longest || group.is_empty() => group.push(piece),
            _ => {
                length = piece.len();
                groups.push_back(vec![piece]);
            }
        }
    }
    groups
}

#[async_trait]
impl DataPlane for Nft {
    fn name(&self) -> &'static str {
        "nft"
    }

    /// Connection tracking keeps them.
    fn removal_ends_connections(&self, _service: &ServiceKey) -> bool {
        false
    }

    fn is_exclusive(&self) -> bool {
        self.config.exclusive
    }

    /// By the kernel's notifications. Several changes within 50 ms are one, and there is at most one report in a second.
    async fn changed(&self) {
        let watch = self.watch.get_or_init(|| {
            Watch::start(&self.config.table, self.program.runs().clone())
                .inspect_err(|error| {
                    warn!("nftables: the kernel's notifications cannot be had, changes by others are found with the next full sync: {error}");
                })
                .ok()
        });
        match watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Removes the table with its hooks if there is no service in it, and nothing of somebody else.
    async fn release(&self) -> Result<(), DataPlaneError> {
        let mut state = self.state.lock().await;
        state.picture = None;
        let picture = self.load(&mut state.said).await?;
        if picture.exists && !picture.has_more_than_base(&self.config) {
            self.program.run(&["-f", "-"], &format!("delete table inet {}\n", self.config.table)).await?;
        }
        Ok(())
    }

    async fn obstacles(&self, table: &ServiceTable) -> Vec<String> {
        forward::problems(&self.program, table).await
    }

    /// Only services of this table: other tables are none of its business. A service whose rules were changed by hand
    /// has scheduler `damaged` and no servers.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the table was made by somebody else or by another version; besides those of running
    /// `nft`.
    async fn snapshot(&self) -> Result<ServiceTable, DataPlaneError> {
        let mut state = self.state.lock().await;
        // Kept only if nothing interrupts the reading.
        state.picture = None;
        let picture = self.load(&mut state.said).await?;
        let table = picture.table.clone();
        state.picture = Some(picture);
        Ok(table)
    }

    async fn apply(&self, batch: &[Change]) -> Result<Vec<Refused>, DataPlaneError> {
        let state = &mut *self.state.lock().await;
        // Taken out: should this future be dropped half way, the next one looks at the table anew.
        let mut picture = match state.picture.take() {
            Some(picture) => picture,
            None => self.load(&mut state.said).await?,
        };
        let mut refused = Vec::new();
        let mut open: Vec<usize> = (0..batch.len()).collect();
        for attempt in 0..2 {
            let changes = open.iter().filter_map(|&index| Some((index, batch.get(index)?)));
            let (mut pieces, misfits) = picture.plan(changes, &self.config);
            refused.extend(misfits);
            if pieces.iter().all(|piece| piece.indices.is_empty()) {
                break;
            }
            self.advise(&pieces, &picture.table, &mut state.said);
            pieces.retain(|piece| piece.service.is_some() || !piece.is_empty());
            match self.commit(&mut picture, &mut state.longest, pieces, &mut refused, attempt == 0).await {
                Ok(()) => break,
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Stale(rest)) => {
                    info!(table = %self.config.table, "nftables: the table was changed by somebody else; looking again");
                    open = rest;
                    picture = self.load(&mut state.said).await?;
                }
            }
        }
        // After a refusal by the kernel the picture may be wrong: better look again.
        let is_sure = refused.iter().all(|refused| refused.error.kind == ErrorKind::Unsupported);
        state.picture = is_sure.then_some(picture);
        refused.sort_by_key(|refused| refused.index);
        Ok(refused)
    }

    /// Connections since the entry was added, refusals, clients bound by persistence, and from connection tracking
    /// (where its list can be read) those that exist now. Packets and bytes are 0: the rules see the first packet of
    /// each connection only. `failed` is 0.
    async fn counters(&self) -> Result<BTreeMap<ServiceKey, ServiceCounters>, DataPlaneError> {
        let mut state = self.state.lock().await;
        if state.picture.is_none() {
            state.picture = Some(self.load(&mut state.said).await?);
        }
        let table = state.picture.as_ref().map(|picture| picture.table.clone()).unwrap_or_default();
        drop(state);
        let name = self.config.table.to_string();
        let arguments: &[&str] =
            match table.services.values().any(|service| service.spec.persistence.is_some()) {
                true => &["-j", "list", "table", "inet", &name],
                false => &["-j", "list", "counters", "table", "inet", &name],
            };
        let listing = match self.program.run(arguments, "").await {
            Err(Failure::Stale(_)) => return Ok(BTreeMap::new()),
            listing => listing?,
        };
        let figures = readback::figures(&listing).map_err(|error| self.unreadable(&error))?;
        let mut counters = named_counters(&table, &figures);
        tokio::task::spawn_blocking(move || {
            // Without the list of connections the rest is still worth having.
            let _ = conntrack::scan(&table, |service, server, connection| {
                let server = counters.get_mut(&service).and_then(|service| service.servers.get_mut(&server));
                if let Some(server) = server {
                    match connection.is_open() {
                        true => server.active = server.active.saturating_add(1),
                        false => server.inactive = server.inactive.saturating_add(1),
                    }
                }
                true
            });
            counters
        })
        .await
        .map_err(|error| {
            DataPlaneError::new(ErrorKind::Unavailable, format!("counting connections: {error}"))
        })
    }

    /// From `nf_conntrack`. Connections by firewall mark are told by their server.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] without root, [`ErrorKind::Unsupported`] in a kernel without
    /// `CONFIG_NF_CONNTRACK_PROCFS`.
    async fn connections(&self, limit: usize) -> Result<Vec<Connection>, DataPlaneError> {
        let table = self.snapshot().await?;
        tokio::task::spawn_blocking(move || {
            let mut connections = Vec::new();
            if limit > 0 {
                conntrack::scan(&table, |_, _, connection| {
                    connections.push(connection);
                    connections.len() < limit
                })?;
            }
            Ok(connections)
        })
        .await
        .map_err(|error| {
            DataPlaneError::new(ErrorKind::Unavailable, format!("listing connections: {error}"))
        })?
    }
}

fn named_counters(
    table: &ServiceTable,
    figures: &readback::Figures,
) -> BTreeMap<ServiceKey, ServiceCounters> {
    let packets = |name: &str| figures.packets.get(name).copied().unwrap_or(0);
    let traffic = |name: &str| Traffic { connections: packets(name), ..Traffic::default() };
    let counted = |(key, service): (&ServiceKey, &lb_core::model::Service)| {
        let chain = name::service(key);
        let refused = packets(&name::refused(&chain));
        let mut counters =
            ServiceCounters { traffic: traffic(&chain), refused, ..ServiceCounters::default() };
        counters.traffic.connections = counters.traffic.connections.saturating_sub(refused);
        for server in service.servers.keys() {
            let target = name::server(&chain, server);
            let persistent =
                figures.elements.get(&target).and_then(|count| u32::try_from(*count).ok()).unwrap_or(0);
            let of_server =
                ServerCounters { persistent, traffic: traffic(&target), ..ServerCounters::default() };
            counters.servers.insert(*server, of_server);
        }
        (*key, counters)
    };
    table.services.iter().map(counted).collect()
}

/// Whether packets are passed on in this network namespace; `None` where that cannot be told.
fn is_forwarding(family: Family) -> Option<bool> {
    let path = match family {
        Family::V4 => "/proc/sys/net/ipv4/ip_forward",
        Family::V6 => "/proc/sys/net/ipv6/conf/all/forwarding",
    };
    Some(fs::read_to_string(path).ok()?.trim() != "0")
}

fn no_forwarding(family: Family) -> String {
    let name = match family {
        Family::V4 => "net.ipv4.ip_forward",
        Family::V6 => "net.ipv6.conf.all.forwarding",
    };
    format!("{name} is 0, so packets to servers on other machines are dropped: sysctl -w {name}=1")
}
