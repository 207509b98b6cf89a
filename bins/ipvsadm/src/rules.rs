//! Which switches go together.

use super::{
    fault::{Fault, Problem},
    switch::{Seen, Switch},
};

/// Whether a command has what it needs, and nothing that it has no use for.
pub(super) fn check(command: Switch, seen: &Seen) -> Result<(), Problem> {
    use Switch::*;
    let (needed, allowed): (&[Switch], &[Switch]) = match command {
        AddService | EditService => (&[Tcp], &[Scheduler, Engine, Persistent, Netmask, OnePacket, Flags]),
        DeleteService => (&[Tcp], &[]),
        AddServer | EditServer => (
            &[Tcp, RealServer],
            &[Gate, Weight, Upper, Lower, TunnelType, TunnelPort, NoChecksum, Checksum, RemoteChecksum],
        ),
        DeleteServer => (&[Tcp, RealServer], &[]),
        Zero => (&[], &[Tcp]),
        Save => (&[], &[Numeric]),
        List => (
            &[],
            // A sync id is of no use there, yet taken.
            &[
                Numeric,
                Connection,
                Tcp,
                Timeout,
                Daemon,
                Stats,
                Rate,
                Thresholds,
                PersistentConn,
                NoSort,
                SyncId,
                Exact,
                TunnelInfo,
            ],
        ),
        StartDaemon => (&[], &[Interface, SyncId, MaxLength, Group, Port, Ttl]),
        StopDaemon => (&[], &[SyncId]),
        _ => (&[], &[]),
    };
    let missing = needed.iter().copied().filter(|switch| !seen.has(*switch)).min();
    let illegal = seen.all().find(|switch| !needed.contains(switch) && !allowed.contains(switch));
    let command = command.name();
    match (missing, illegal) {
        (Some(missing), illegal) if illegal.is_none_or(|illegal| missing < illegal) => {
            Err(Problem { at: None, fault: Fault::Needed { option: missing.name(), command } })
        }
        (_, Some(illegal)) => {
            Err(Problem { at: seen.word(illegal), fault: Fault::Illegal { option: illegal.name(), command } })
        }
        _ => Ok(()),
    }
}

/// What of `-L` can be shown together.
pub(super) fn check_list(seen: &Seen) -> Result<(), Problem> {
    use Switch::*;
    for (later, earlier) in [
        (Tcp, Connection),
        (Timeout, Connection),
        (Timeout, Tcp),
        (Daemon, Connection),
        (Daemon, Tcp),
        (Daemon, Timeout),
    ] {
        if seen.has(later) && seen.has(earlier) {
            let fault = Fault::ListConflict(later.name(), earlier.name());
            return Err(Problem { at: seen.word(later), fault });
        }
    }
    let mut columns = vec![Stats, Rate, Thresholds];
    if seen.has(Timeout) || seen.has(Daemon) {
        columns.push(PersistentConn);
    } else if !seen.has(Connection) {
        return Ok(());
    }
    match columns.into_iter().find(|column| seen.has(*column)) {
        Some(column) => Err(Problem { at: seen.word(column), fault: Fault::ListColumns }),
        None => Ok(()),
    }
}

/// What of a tunnel's options its kind has.
pub(super) fn check_tunnel(seen: &Seen, kind: &'static str) -> Result<(), Problem> {
    use Switch::*;
    let allowed: &[Switch] = match kind {
        "gue" => &[TunnelPort, NoChecksum, Checksum, RemoteChecksum],
        "gre" => &[NoChecksum, Checksum],
        _ => &[],
    };
    if kind == "gue" && !seen.has(TunnelPort) {
        let fault = Fault::TunnelNeeded { option: TunnelPort.name(), kind };
        return Err(Problem { at: None, fault });
    }
    let mut checksum = None;
    for option in [TunnelPort, NoChecksum, Checksum, RemoteChecksum] {
        if !seen.has(option) {
            continue;
        }
        let at = seen.word(option);
        if !allowed.contains(&option) {
            return Err(Problem { at, fault: Fault::TunnelIllegal { option: option.name(), kind } });
        }
        if option == TunnelPort {
            continue;
        }
        if let Some(earlier) = checksum.replace(option) {
            return Err(Problem { at, fault: Fault::TunnelConflict(option.name(), earlier.name(), kind) });
        }
    }
    Ok(())
}
