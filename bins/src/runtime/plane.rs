//! Which data plane there is on this machine.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use lb_core::{
    DataPlane, MemoryDataPlane,
    dataplane::DataPlaneError,
    model::{ServiceKey, ServiceTable},
};
use lb_nat::{
    nft::{Nft, NftConfig},
    relay::{Relay, RelayConfig},
};
use thiserror::Error;

/// Which data plane the operator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first that works here and can carry the configuration: ipvs, nft, relay.
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
        })
    }
}

/// Opens the data plane that was asked for, or the first one that works here and can carry `table`.
///
/// # Errors
/// Says for each data plane that was tried why it does not do.
pub async fn open(choice: Choice, table: &ServiceTable) -> Result<Opened, OpenError> {
    let asked = |name, result: Result<Arc<dyn DataPlane>, String>| match result {
        Ok(plane) => Ok(Opened { plane, why: "asked for".to_owned() }),
        Err(why) => Err(OpenError::Asked { name, why }),
    };
    match choice {
        Choice::Ipvs => asked("ipvs", Err(without_ipvs())),
        Choice::Nft => asked("nft", nft().await),
        Choice::Relay => asked("relay", relay()),
        Choice::Memory => asked("memory", Ok(Arc::new(MemoryDataPlane::new()))),
        Choice::Auto => {
            let mut not = vec![format!("ipvs: {}", without_ipvs())];
            let by_nft = match nft_lacks(table) {
                Some(lack) => Err(lack),
                None => nft().await,
            };
            match by_nft {
                Ok(plane) => return Ok(Opened { plane, why: not.join("; ") }),
                Err(why) => not.push(format!("nft: {why}")),
            }
            let by_relay = match relay_lacks(table) {
                Some(lack) => Err(lack),
                None => relay(),
            };
            match by_relay {
                Ok(plane) => Ok(Opened { plane, why: not.join("; ") }),
                Err(why) => {
                    not.push(format!("relay: {why}"));
                    Err(OpenError::None(not.join("; ")))
                }
            }
        }
    }
}

/// This version has no IPVS client yet; where the kernel has IPVS that is worth another sentence.
fn without_ipvs() -> String {
    if Path::new("/proc/net/ip_vs").exists() {
        "this version can not drive it yet, though the kernel has it".to_owned()
    } else {
        "this version can not drive it yet, and the kernel has no ip_vs loaded".to_owned()
    }
}

async fn nft() -> Result<Arc<dyn DataPlane>, String> {
    let config = NftConfig::default();
    Nft::probe(&config).await.map_err(|error| error.to_string())?;
    Ok(Arc::new(Nft::new(config)))
}

fn relay() -> Result<Arc<dyn DataPlane>, String> {
    let relay = Relay::start(RelayConfig::default()).map_err(|error: DataPlaneError| error.to_string())?;
    Ok(Arc::new(relay))
}

/// What of the table nftables can not carry.
fn nft_lacks(table: &ServiceTable) -> Option<String> {
    table.services.iter().find_map(|(key, service)| lb_nat::nft::lacks(key, service).map(|lack| format!("{key}: {lack}")))
}

/// What of the table the relay can not carry.
fn relay_lacks(table: &ServiceTable) -> Option<String> {
    table.services.keys().find_map(|key| match key {
        ServiceKey::FwMark { .. } => Some(format!("{key}: a relay does not see firewall marks")),
        ServiceKey::Address { port: 0, .. } => Some(format!("{key}: a relay can not listen on every port")),
        ServiceKey::Address { .. } => None,
    })
}
