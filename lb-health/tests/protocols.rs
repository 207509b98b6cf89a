//! The probes against the real servers of their protocols, each a child process of the test, on loopback.

mod protocols {
    mod daemon;
    #[cfg(all(feature = "mysql", feature = "pgsql"))]
    mod databases;
    mod files_and_stores;
    mod mail;
    #[cfg(all(feature = "dns", feature = "ldap", feature = "radius"))]
    mod names;
}
