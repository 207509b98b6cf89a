//! Steps by `ip`: many in one process, and what became of each.

use std::{collections::HashMap, io, process::Stdio, time::Duration};

use lb_config::keepalived::model::Family;
use tokio::{io::AsyncWriteExt as _, process::Command, sync::OnceCell, time::timeout};

use super::wanted::{Item, Kind, PROTOCOL, RULE_PROTOCOL};

/// `ip` takes milliseconds; one that hangs is killed.
const LIMIT: Duration = Duration::from_secs(30);

/// What a rule ends with that names no protocol itself.
const RULE_MARK: [&str; 2] = [RULE_PROTOCOL, PROTOCOL];

/// What failures begin with after which nothing is known of what was done.
pub(super) const NOT_RUN: &str = "`ip` can not be run";

/// One thing to be done.
#[derive(Clone, Debug)]
pub(super) struct Step<'i> {
    pub(super) item: &'i Item,
    pub(super) doing: Doing,
}

/// What is done to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It is to be there, whatever was there before.
    Add,
    /// It is to be there, and is left alone if it is.
    PutBack,
    /// It is to be gone.
    Remove,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was done.
    Done,
    /// There was nothing to do.
    AsItWas,
    /// It can not be done, in the words of `ip`.
    Failed(String),
}

impl Step<'_> {
    /// The words for `ip`. `marks_rules`: whether it knows the protocol of a rule.
    pub(super) fn words(&self, marks_rules: bool) -> impl Iterator<Item = &str> {
        let object = match self.item.kind {
            Kind::Address => "address",
            Kind::Route => "route",
            Kind::Rule => "rule",
        };
        let verb = match (self.doing, self.item.kind) {
            (Doing::Remove, _) => "del",
            // There is no `rule replace`: a rule that is there already is an error, and a good one.
            (Doing::PutBack, _) | (Doing::Add, Kind::Rule) => "add",
            (Doing::Add, _) => "replace",
        };
        let words = &self.item.words;
        let mark =
            self.item.kind == Kind::Rule && !marks_rules && words.ends_with(&RULE_MARK.map(str::to_owned));
        let words = words[..words.len() - if mark { RULE_MARK.len() } else { 0 }].iter().map(String::as_str);
        [object, verb].into_iter().chain(words)
    }

    /// What the words of `ip` mean for this step.
    fn outcome(&self, said: String) -> Outcome {
        let harmless: &[&str] = match self.doing {
            // The latter for an address, by newer kernels.
            Doing::Add | Doing::PutBack => &["File exists", "ddress already assigned"],
            Doing::Remove => &[
                "No such process",
                "No such file or directory",
                "Cannot assign requested address",
                "Address not found",
                "No such device",
                "Cannot find device",
            ],
        };
        match harmless.iter().any(|harmless| said.contains(harmless)) {
            true => Outcome::AsItWas,
            false => Outcome::Failed(said),
        }
    }
}

/// Takes steps, in their order within each family; what became of each, in the order of the steps.
pub(super) async fn take(steps: &[Step<'_>]) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::Done; steps.len()];
    for family in [Family::V4, Family::V6] {
        let of_family = steps.iter().enumerate().filter(|(_, step)| step.item.family == family);
        let (places, steps): (Vec<usize>, Vec<&Step<'_>>) = of_family.unzip();
        for (place, outcome) in places.into_iter().zip(together(family, &steps).await) {
            outcomes[place] = outcome;
        }
    }
    outcomes
}

async fn together(family: Family, steps: &[&Step<'_>]) -> Vec<Outcome> {
    if steps.is_empty() {
        return Vec::new();
    }
    let has_rules = steps.iter().any(|step| step.item.kind == Kind::Rule);
    let marks_rules = has_rules && knows_protocol_of_rules().await;
    let mut lines = String::new();
    for step in steps {
        lines.extend(step.words(marks_rules).flat_map(|word| [word, " "]));
        lines.push('\n');
    }
    let ended = ip(family, ["-force", "-batch", "-"], &lines).await;
    match ended {
        Ok(Ended { success: true, .. }) => vec![Outcome::Done; steps.len()],
        Ok(Ended { said, code: Some(1 | 2), .. }) if said.contains(FAILED) => {
            let mut failures = failures(&said);
            let outcome = |(index, step): (usize, &&Step<'_>)| match failures.remove(&(index + 1)) {
                Some(said) => step.outcome(said),
                None => Outcome::Done,
            };
            steps.iter().enumerate().map(outcome).collect()
        }
        // It stops altogether at words that it does not understand, and does not say at which.
        Ok(_) => one_by_one(family, steps, marks_rules).await,
        Err(error) => {
            let said = format!("{NOT_RUN}: {error}");
            vec![Outcome::Failed(said); steps.len()]
        }
    }
}

/// `ip` before 4.17 does not know the protocol of a rule, and neither does the kernel of that time.
async fn knows_protocol_of_rules() -> bool {
    static KNOWS: OnceCell<bool> = OnceCell::const_new();
    let ask = || async {
        let help = ip(Family::V4, ["rule", "help"], "").await;
        help.is_ok_and(|help| help.said.contains(RULE_PROTOCOL))
    };
    *KNOWS.get_or_init(ask).await
}

async fn one_by_one(family: Family, steps: &[&Step<'_>], marks_rules: bool) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(steps.len());
    for step in steps {
        outcomes.push(match ip(family, step.words(marks_rules), "").await {
            Ok(Ended { success: true, .. }) => Outcome::Done,
            Ok(Ended { said, .. }) => step.outcome(first_line(&said)),
            Err(error) => Outcome::Failed(format!("{NOT_RUN}: {error}")),
        });
    }
    outcomes
}

const FAILED: &str = "Command failed -:";

/// What was said before each `Command failed -:LINE`.
fn failures(said: &str) -> HashMap<usize, String> {
    let mut failures = HashMap::new();
    let mut words: Vec<&str> = Vec::new();
    for line in said.lines() {
        match line.strip_prefix(FAILED).and_then(|number| number.trim().parse().ok()) {
            Some(number) => {
                failures.insert(number, first_line(&std::mem::take(&mut words).join("\n")));
            }
            None => words.push(line),
        }
    }
    failures
}

/// The rest is mostly how the command is to be used.
fn first_line(said: &str) -> String {
    let line =
        said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it failed without a word");
    let line = line.strip_prefix("RTNETLINK answers: ").or(line.strip_prefix("Error: ")).unwrap_or(line);
    line.trim_end_matches('.').to_owned()
}

struct Ended {
    success: bool,
    code: Option<i32>,
    said: String,
}

async fn ip<'w>(family: Family, words: impl IntoIterator<Item = &'w str>, input: &str) -> io::Result<Ended> {
    let mut command = Command::new("ip");
    command.arg(if family == Family::V4 { "-4" } else { "-6" }).args(words);
    run(command, input).await.map(|(success, code, said)| Ended { success, code, said })
}

/// Runs a program with this input; whether it succeeded, its status, and what it said on standard error.
pub(super) async fn run(mut command: Command, input: &str) -> io::Result<(bool, Option<i32>, String)> {
    command
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that stops reading says why, which is what counts.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let both = async { tokio::join!(child.wait_with_output(), write).0 };
    let output = timeout(LIMIT, both).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.success(), output.status.code(), said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_there_is_not_put_back() {
        let words = vec!["192.0.2.1/24".to_owned()];
        let item = Item { kind: Kind::Address, family: Family::V4, words, tracked: true };
        let step = Step { item: &item, doing: Doing::PutBack };
        // `ip -4 -force -batch -`, iproute2-6.1.0, older and newer kernels
        for said in ["File exists", "ipv4: Address already assigned", "ipv6: address already assigned"] {
            assert_eq!(step.outcome(said.to_owned()), Outcome::AsItWas);
        }
        assert_eq!(step.outcome("No such device".to_owned()), Outcome::Failed("No such device".to_owned()));
    }

    #[test]
    fn what_ip_says_belongs_to_the_line_before() {
        // `ip -4 -force -batch -`, iproute2-6.1.0
        let said = "RTNETLINK answers: File exists\nCommand failed -:2\nError: Nexthop has invalid gateway.\n\
                    Command failed -:10\n";
        let failures = failures(said);
        assert_eq!(failures.len(), 2);
        assert_eq!(failures[&2], "File exists");
        assert_eq!(failures[&10], "Nexthop has invalid gateway");
    }
}
