//! What needs IPVS in the kernel, with real hosts, switches and connections.
//!
//! Where this process is root and the kernel has IPVS (`modprobe ip_vs`), each case runs here, in network namespaces of its own:
//! beside others, and nothing outside of these namespaces is changed.
//! Elsewhere a virtual machine is started once, which runs this same program with the same names of tests on its command line,
//! and each test here waits for what the test of its name says in there. `lbctl lab vm` opens a shell in such a machine.
//!
//! A new case is a test like any other, in the module that it belongs to, whose body stands in [`guest::on_ipvs`]:
//!
//! ```ignore
//! #[test]
//! fn an_empty_table_is_listed() {
//!     on_ipvs(|| {
//!         let site = Site::nat(0);
//!         assert_eq!(site.ipvsadm("-L -n").lines().count(), 3);
//!     });
//! }
//! ```
//!
//! [`site::Site`] has a director between a client and servers, each a [`site::Net`], in which this process opens sockets and runs
//! programs. The machine is slow, and slowest where programs are started (0.1 s each): work belongs into this process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure is a failed test, and a test says what it has counted"
)]

#[path = "../support/mod.rs"]
mod support;

mod adoption;
mod client;
mod crash;
mod direct;
mod drain;
mod failover;
mod guest;
mod hang;
mod ipvsadm;
mod keepalived;
mod ldirectord;
mod machine;
mod nat;
mod node;
mod pair;
mod plane;
mod random;
mod schedulers;
mod selftest;
mod site;
mod sync;
mod trouble;
mod tuning;
