use std::net::IpAddr;

use lb_config::diagnostic::Colors;
use lb_core::model::{Family, Protocol};

use super::*;

struct Nobody;

impl Resolver for Nobody {
    fn address(&self, _: &str, _: Family) -> Option<IpAddr> {
        None
    }

    fn port(&self, _: &str, _: Protocol) -> Option<u16> {
        None
    }
}

fn rendered(text: &str) -> Vec<String> {
    let source = Source::new("table", text);
    let wrong = read(&source, &Nobody).err().unwrap_or_default();
    wrong.iter().map(|diagnostic| diagnostic.render(&source, Colors::No)).collect()
}

#[test]
fn comments_blank_lines_and_the_programs_name_are_passed_over() {
    let text = "# a table\n\n  ipvsadm -A -t 10.0.0.1:80 # the web\n\t-a -t 10.0.0.1:80 -r 10.0.0.2 -m\r\n";
    let steps = read(&Source::new("table", text), &Nobody).unwrap_or_default();
    assert_eq!(steps.iter().map(|step| step.line).collect::<Vec<_>>(), [3, 4]);
    assert!(matches!(steps[1].change, Change::AddDestination(..)));
}

#[test]
fn everything_that_is_wrong_is_shown_with_its_place() {
    let text =
        "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.2:http -m\n-a -t 10.0.0.1:80\n-L -n\nfoo\n";
    assert_eq!(
        rendered(text),
        [
            "error: illegal real server address[:port] specified\n --> table:2:22\n  |\n\
             2 | -a -t 10.0.0.1:80 -r 10.0.0.2:http -m\n  |                      ^^^^^^^^^^^^^",
            "error: You need to supply the 'real-server' option for the 'add-server' command\n --> table:3:18\n  |\n\
             3 | -a -t 10.0.0.1:80\n  |                  ^",
            "error: only what changes the table can be restored\n --> table:4:1\n  |\n4 | -L -n\n  | ^^",
            "error: a line begins with a command, such as -A or --add-service\n --> table:5:4\n  |\n5 | foo\n  |    ^",
        ]
    );
}
