//! The HMAC trailer of draft-cassen-vrrp-auth-hmac.
