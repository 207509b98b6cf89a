//! Medians and extremes, and whether they are what they should be.

/// What was measured, in the order in which it was first told.
#[derive(Debug, Default)]
pub(crate) struct Report {
    tasks: Vec<Task>,
    /// Bars of what is counted, not timed.
    counts: Vec<(&'static str, usize, usize)>,
}

/// Something that several can do; the first of them is the peer.
#[derive(Debug)]
struct Task {
    name: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    who: String,
    /// The most that its time may be of the peer's.
    bar: Option<f64>,
    seconds: Vec<f64>,
}

impl Report {
    /// One more round of a task.
    pub(crate) fn add(&mut self, task: &'static str, who: impl Into<String>, seconds: f64) {
        self.row(task, who.into()).seconds.push(seconds);
    }

    /// The same where there is a bar.
    pub(crate) fn add_barred(&mut self, task: &'static str, who: impl Into<String>, bar: f64, seconds: f64) {
        let row = self.row(task, who.into());
        row.bar = Some(bar);
        row.seconds.push(seconds);
    }

    /// Something that is to be exactly so many. The worst of all rounds counts.
    pub(crate) fn count(&mut self, what: &'static str, found: usize, wanted: usize) {
        match self.counts.iter_mut().find(|(known, ..)| *known == what) {
            Some((_, worst, _)) => *worst = found.max(*worst),
            None => self.counts.push((what, found, wanted)),
        }
    }

    fn row(&mut self, task: &'static str, who: String) -> &mut Row {
        let at = self.tasks.iter().position(|known| known.name == task).unwrap_or_else(|| {
            self.tasks.push(Task { name: task, rows: Vec::new() });
            self.tasks.len() - 1
        });
        let rows = &mut self.tasks[at].rows;
        let at = rows.iter().position(|row| row.who == who).unwrap_or_else(|| {
            rows.push(Row { who, bar: None, seconds: Vec::new() });
            rows.len() - 1
        });
        &mut rows[at]
    }

    /// Prints everything; returns how many bars were missed.
    pub(crate) fn print(&self) -> usize {
        let mut missed = 0;
        let mut judge = |met: bool| {
            missed += usize::from(!met);
            if met { "met" } else { "MISSED" }
        };
        for Task { name, rows } in &self.tasks {
            println!("\n{name:54}{:>24}{:>20}{:>6}", "ms", "ratio", "bar");
            let Some(peer) = rows.first() else { continue };
            for Row { who, bar, seconds } in rows {
                let milliseconds = Figures::of(seconds.iter().map(|seconds| seconds * 1e3));
                print!("  {who:52}{:>24}", milliseconds.with(1));
                if *who == peer.who {
                    println!();
                    continue;
                }
                // Round by round.
                let ratio =
                    Figures::of(seconds.iter().zip(&peer.seconds).map(|(ours, theirs)| ours / theirs));
                print!("{:>20}", ratio.with(2));
                match bar {
                    Some(bar) => println!("{bar:>6}  {}", judge(ratio.median <= *bar)),
                    None => println!(),
                }
            }
        }
        println!();
        for (what, found, wanted) in &self.counts {
            println!("{what:98}{found:>2}{wanted:>6}  {}", judge(found == wanted));
        }
        missed
    }
}

struct Figures {
    median: f64,
    least: f64,
    most: f64,
}

impl Figures {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(values.len() / 2), least: at(0), most: at(values.len().saturating_sub(1)) }
    }

    fn with(&self, digits: usize) -> String {
        let Self { median, least, most } = self;
        format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
    }
}
