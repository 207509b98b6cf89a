//! Lists the kernel's table of virtual services, or says in one line why not.

use std::process::ExitCode;

use lb_ipvs::Client;

#[expect(clippy::print_stderr, reason = "a program")]
fn main() -> ExitCode {
    match list() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a program")]
fn list() -> Result<(), lb_ipvs::Error> {
    let mut ipvs = Client::open()?;
    let info = ipvs.info()?;
    println!("IP Virtual Server version {} (size={})", info.version, info.connection_table_size);
    for (key, (entry, servers)) in ipvs.table()? {
        println!("{key} {} {:?}", entry.service.scheduler, entry.stats.total);
        for server in servers {
            let destination = &server.destination;
            println!(
                "  -> {} {:?} weight {} active {} inactive {}",
                destination.key, destination.forwarding, destination.weight, server.active, server.inactive
            );
        }
    }
    Ok(())
}
