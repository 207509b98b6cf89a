//! Which data plane there is on this machine.

use std::{fmt, os::unix::ffi::OsStrExt as _, path::Path, str::FromStr, sync::Arc};

use lb_core::{
    DataPlane, MemoryDataPlane,
    dataplane::DataPlaneError,
    model::{Protocol, ServiceKey, ServiceTable},
};
use lb_ipvs::{Ipvs, Namespace};
use lb_nat::{
    nft::{Nft, NftConfig, TableName},
    relay::{Relay, RelayConfig},
};
use thiserror::Error;

/// Which data plane the operator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// ipvs if it works here, else the first of nft and relay that works and can carry the configuration.
    ///
    /// A scheduler that the kernel lacks is no reason to leave ipvs: it would take all services with it, and the module may
    /// be there in a minute. That service is refused, and tried again.
    #[default]
    Auto,
    /// The kernel's IP Virtual Server.
    Ipvs,
    /// The kernel's nftables.
    Nft,
    /// The relay in user space.
    Relay,
    /// None: nothing is forwarded, everything else is done. For tests and dry runs.
    Memory,
    /// One that works nowhere.
    #[cfg(any(test, feature = "testing"))]
    Never,
}

/// A data plane, and why it is this one.
pub struct Opened {
    /// The data plane.
    pub plane: Arc<dyn DataPlane>,
    /// Why, for `status`.
    pub why: String,
}

/// Why there is no data plane.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The one that was asked for does not work here.
    #[error("the data plane {name} does not work here: {why}")]
    Asked {
        /// Which.
        name: &'static str,
        /// Why not, and what to do.
        why: String,
    },
    /// None works here.
    #[error("no data plane works here: {0}")]
    None(String),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "ipvs" => Ok(Self::Ipvs),
            "nft" => Ok(Self::Nft),
            "relay" => Ok(Self::Relay),
            "memory" => Ok(Self::Memory),
            _ => Err(format!("`{text}` is no data plane: auto, ipvs, nft, relay or memory")),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Ipvs => "ipvs",
            Self::Nft => "nft",
            Self::Relay => "relay",
            Self::Memory => "memory",
            #[cfg(any(test, feature = "testing"))]
            Self::Never => "never",
        })
    }
}

/// The nftables table of a daemon, by its program, configuration file and the name that tells instances with the same
/// file apart.
pub fn nft_table(program: &str, config: &Path, instance: Option<&str>) -> TableName {
    let path = config.canonicalize().or_else(|_| std::path::absolute(config));
    let path = path.unwrap_or_else(|_| config.to_owned());
    let identity =
        [program.as_bytes(), path.as_os_str().as_bytes(), instance.unwrap_or_default().as_bytes()].join(&0);
    TableName::for_daemon(&path.file_name().unwrap_or_default().to_string_lossy(), &identity)
}

/// Opens the data plane that was asked for, or the first one that works here and can carry `table`. In nftables it uses
/// `nft_table`, which this process has for itself then. `relay_config` holds if that is the relay.
///
/// # Errors
/// Says for each data plane that was tried why it does not do.
pub async fn open(
    choice: Choice,
    table: &ServiceTable,
    nft_table: &TableName,
    relay_config: RelayConfig,
) -> Result<Opened, OpenError> {
    let asked = |name, result: Result<Arc<dyn DataPlane>, String>| match result {
        Ok(plane) => Ok(Opened { plane, why: "asked for".to_owned() }),
        Err(why) => Err(OpenError::Asked { name, why }),
    };
    match choice {
        Choice::Ipvs => asked("ipvs", ipvs().await),
        Choice::Nft => asked("nft", nft(true, None, nft_table).await),
        Choice::Relay => asked("relay", relay(None, relay_config)),
        Choice::Memory => asked("memory", Ok(Arc::new(MemoryDataPlane::new()))),
        #[cfg(any(test, feature = "testing"))]
        Choice::Never => asked("never", Err("it works nowhere".to_owned())),
        Choice::Auto => auto(table, nft_table, relay_config).await,
    }
}

/// Removes the nftables table that a predecessor has left, for a daemon that does not use it now: it has `plane`, or none.
pub async fn remove_leftovers(plane: Option<&dyn DataPlane>, nft_table: &TableName) {
    if plane.is_some_and(|plane| matches!(plane.name(), "nft" | "memory")) {
        return;
    }
    let nft = Nft::new(nft_config(false, nft_table));
    // Where nftables cannot be used there is nothing to remove.
    if nft.acquire().await.is_ok() {
        let _ = nft.clear().await;
    }
}

/// Those that do exactly what is asked first; then nftables with weighted round robin in the place of what it lacks.
async fn auto(
    table: &ServiceTable,
    nft_table: &TableName,
    relay_config: RelayConfig,
) -> Result<Opened, OpenError> {
    let mut not = Vec::new();
    match ipvs().await {
        Ok(plane) => return Ok(Opened { plane, why: "the kernel has it".to_owned() }),
        Err(why) => not.push(format!("ipvs: {why}")),
    }
    match nft(false, Some(table), nft_table).await {
        Ok(plane) => return Ok(Opened { plane, why: not.join("; ") }),
        Err(why) => not.push(format!("nft: {why}")),
    }
    match relay(Some(table), relay_config) {
        Ok(plane) => return Ok(Opened { plane, why: not.join("; ") }),
        Err(why) => not.push(format!("relay: {why}")),
    }
    match nft(true, Some(table), nft_table).await {
        Ok(plane) => Ok(Opened { plane, why: not.join("; ") }),
        Err(_) => Err(OpenError::None(not.join("; "))),
    }
}

async fn ipvs() -> Result<Arc<dyn DataPlane>, String> {
    let ipvs = Ipvs::open(Namespace::own()).await.map_err(|error| error.to_string())?;
    Ok(Arc::new(ipvs))
}

async fn nft(
    approximate: bool,
    table: Option<&ServiceTable>,
    nft_table: &TableName,
) -> Result<Arc<dyn DataPlane>, String> {
    let nft = Nft::new(nft_config(approximate, nft_table));
    if let Some(table) = table {
        nft.supports(table).map_err(|error| error.to_string())?;
    }
    nft.probe().await.map_err(|error| error.to_string())?;
    nft.acquire().await.map_err(|error| error.to_string())?;
    Ok(Arc::new(nft))
}

fn nft_config(approximate: bool, table: &TableName) -> NftConfig {
    NftConfig { table: table.clone(), exclusive: true, approximate, ..NftConfig::default() }
}

fn relay(table: Option<&ServiceTable>, config: RelayConfig) -> Result<Arc<dyn DataPlane>, String> {
    if let Some(lack) = table.and_then(relay_lacks) {
        return Err(lack);
    }
    let relay = Relay::start(config).map_err(|error: DataPlaneError| error.to_string())?;
    Ok(Arc::new(relay))
}

/// What of the table the relay can not carry.
fn relay_lacks(table: &ServiceTable) -> Option<String> {
    table.services.keys().find_map(|key| match key {
        ServiceKey::FwMark { .. } => Some(format!("{key}: a relay does not see firewall marks")),
        ServiceKey::Address { port: 0, .. } => Some(format!("{key}: a relay can not listen on every port")),
        ServiceKey::Address { protocol: Protocol::Sctp, .. } => {
            Some(format!("{key}: a relay knows TCP and UDP only"))
        }
        ServiceKey::Address { .. } => None,
    })
}
