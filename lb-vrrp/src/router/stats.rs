use serde::{Deserialize, Serialize};

use crate::{Cause, accept::DropReason, wire::DecodeError};

/// Counters of a virtual router since it was made. They are those of RFC 6527's MIB (`vrrpv3StatisticsTable`) and of
/// RFC 2787's for authentication; the name of the object stands beside each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouterStats {
    /// `vrrpv3StatisticsMasterTransitions`: how often it became Active.
    pub became_active: u64,
    /// How often it stopped being Active.
    pub released: u64,
    /// `vrrpv3StatisticsNewMasterReason`: why it became Active the last time.
    pub new_active_reason: NewActiveReason,
    /// `vrrpv3StatisticsRcvdAdvertisements`: advertisements accepted, resignations included.
    pub received: u64,
    /// Advertisements sent, one for each destination, resignations included. What is known not to have left is not among
    /// them.
    pub sent: u64,
    /// Advertisements that could not be sent.
    pub unsent: u64,
    /// `vrrpv3StatisticsAdvIntervalErrors`: advertisements with another interval than ours, dropped or not.
    pub interval_errors: u64,
    /// `vrrpv3StatisticsIpTtlErrors`: dropped for their TTL or hop limit.
    pub ttl_errors: u64,
    /// `vrrpv3StatisticsProtoErrReason`: what was wrong with the last message that had an error of the protocol.
    pub last_error: ProtocolError,
    /// `vrrpv3StatisticsRcvdPriZeroPackets`: resignations received.
    pub priority_zero_received: u64,
    /// `vrrpv3StatisticsSentPriZeroPackets`: resignations sent, one for each destination.
    pub priority_zero_sent: u64,
    /// `vrrpv3StatisticsRcvdInvalidTypePackets`: messages that are no advertisements.
    pub invalid_type: u64,
    /// `vrrpv3StatisticsAddressListErrors`: advertisements that list other addresses, dropped or not.
    pub address_list_errors: u64,
    /// `vrrpv3StatisticsPacketLengthErrors`: messages that are too short or too long.
    pub length_errors: u64,
    /// `vrrpv3RouterChecksumErrors`, counted here when the message has our virtual router id.
    pub checksum_errors: u64,
    /// `vrrpv3RouterVersionErrors`, counted here when it has our virtual router id.
    pub version_errors: u64,
    /// `vrrpv3RouterVrIdErrors`: messages for another virtual router.
    pub vrid_errors: u64,
    /// `vrrpStatsInvalidAuthType`: authentication types that are unknown.
    pub invalid_auth_type: u64,
    /// `vrrpStatsAuthTypeMismatch`: authenticated in another way than configured.
    pub auth_type_mismatch: u64,
    /// `vrrpStatsAuthFailures`: authentication that failed.
    pub auth_failures: u64,
    /// Messages dropped, for whatever reason.
    pub dropped: u64,
    /// Timeouts that came later than others wait.
    pub late: u64,
    /// Advertisements that were not sent because one had just been sent, in answer to lower priorities.
    pub coalesced: u64,
}

/// `vrrpv3StatisticsNewMasterReason` of RFC 6527.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NewActiveReason {
    /// It never became Active.
    #[default]
    NotActive,
    /// The address owner, or another Active resigned in favour of the highest priority.
    Priority,
    /// It preempted a lower priority.
    Preempted,
    /// The Active router did not answer.
    NoResponse,
}

/// `vrrpv3StatisticsProtoErrReason` of RFC 6527.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProtocolError {
    /// None yet.
    #[default]
    None,
    /// TTL or hop limit.
    Ttl,
    /// Version.
    Version,
    /// Checksum.
    Checksum,
    /// Virtual router id.
    Vrid,
}

impl RouterStats {
    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        self.dropped += 1;
        let (counter, error) = match reason {
            DropReason::Ttl { .. } | DropReason::PeerTtl { .. } => {
                (&mut self.ttl_errors, Some(ProtocolError::Ttl))
            }
            DropReason::Version(_) | DropReason::Malformed(DecodeError::Version(_)) => {
                (&mut self.version_errors, Some(ProtocolError::Version))
            }
            DropReason::Malformed(DecodeError::Checksum(_)) => {
                (&mut self.checksum_errors, Some(ProtocolError::Checksum))
            }
            DropReason::Vrid(_) | DropReason::Malformed(DecodeError::ZeroVrid) => {
                (&mut self.vrid_errors, Some(ProtocolError::Vrid))
            }
            DropReason::Malformed(DecodeError::Type(_)) => (&mut self.invalid_type, None),
            DropReason::Malformed(DecodeError::ZeroInterval) => (&mut self.interval_errors, None),
            DropReason::Malformed(DecodeError::Truncated { .. } | DecodeError::TrailingBytes(_)) => {
                (&mut self.length_errors, None)
            }
            DropReason::Malformed(DecodeError::AuthType(_)) => (&mut self.invalid_auth_type, None),
            DropReason::AuthType => (&mut self.auth_type_mismatch, None),
            DropReason::AuthText | DropReason::AuthHeader => (&mut self.auth_failures, None),
            #[cfg(feature = "hmac")]
            DropReason::Hmac(_) => (&mut self.auth_failures, None),
            _ => return,
        };
        *counter += 1;
        self.last_error = error.unwrap_or(self.last_error);
    }

    pub(crate) fn count_active(&mut self, cause: Cause) {
        self.became_active += 1;
        self.new_active_reason = match cause {
            Cause::Silence | Cause::PeerDown(_) => NewActiveReason::NoResponse,
            Cause::Preempts(_) => NewActiveReason::Preempted,
            _ => NewActiveReason::Priority,
        };
    }
}
