//! The IP authentication header around a VRRPv2 message (RFC 2338 §5.3.6.3, RFC 2402).
