//! What fuzzers start from, and what they found, in the folder of the same name. A file that once made a target panic
//! belongs there.

use std::{fs, path::Path};

use lb_vrrp::fuzz;

#[test]
fn messages() {
    replay("message", fuzz::message);
    replay("message", fuzz::sound_message);
}

#[test]
fn authentication_headers() {
    replay("authentication_header", fuzz::authentication_header);
    replay("message", fuzz::authentication_header);
}

#[cfg(feature = "hmac")]
#[test]
fn hmac_trailers() {
    replay("hmac_trailer", fuzz::hmac_trailer);
    replay("message", fuzz::hmac_trailer);
}

fn replay(folder: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/corpus").join(folder);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Which one it is that panics.
        eprintln!("{}", path.display());
        target(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0);
}
