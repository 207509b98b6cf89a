//! `track_file`: a number in a file.
//!
//! inotify(7) says when a file may have changed, and it is looked at every two seconds besides: for directories that are not
//! there yet, symbolic links to elsewhere, file systems of other machines. A file that is not there counts as 0, as with
//! keepalived. In place of something that is no number, the last one still counts (keepalived: 0), and that is said.

mod content;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::PathBuf,
    time::Duration,
};

use content::Content;
use lb_config::keepalived::model::{FileInit, TrackFile, Weight};
use lb_control::{event::TrackerId, wording::tracker::NOTE};
use lb_vrrp::track::Status;
use rustix::{
    fs::inotify::{self, CreateFlags, Reader, WatchFlags},
    io::Errno,
};
use tokio::{io::unix::AsyncFd, sync::watch, task, time::sleep};

use super::{Report, Reports, pollable};

/// Files by their names in the configuration; their weights make no difference here.
pub(super) type Wanted = BTreeMap<String, TrackFile>;

/// A file without its weight.
pub(super) fn spec(file: &TrackFile) -> TrackFile {
    TrackFile { weight: Weight::default(), ..file.clone() }
}

/// How often files are looked at without being told.
const LOOK: Duration = Duration::from_secs(2);

/// Watches for as long as there is somebody who wants something.
pub(super) async fn watch(mut wanted: watch::Receiver<Wanted>, reports: Reports) {
    let mut files: BTreeMap<String, State> = BTreeMap::new();
    let mut news = News::open();
    loop {
        let now = wanted.borrow_and_update().clone();
        files.retain(|name, state| now.get(name).is_some_and(|file| file.path == state.path));
        let jobs: Vec<_> = now
            .into_values()
            .map(|file| Job { init: file.init.filter(|_| !files.contains_key(&file.name)), file })
            .collect();
        if let Some(news) = &mut news {
            news.listen(jobs.iter().map(|job| &job.file.path));
        }
        // File systems may take their time.
        let looked = task::spawn_blocking(move || jobs.into_iter().map(Job::look).collect::<Vec<_>>()).await;
        for (file, content) in looked.unwrap_or_default() {
            let state = files.entry(file.name.clone()).or_insert_with(|| State {
                path: file.path.clone(),
                value: 0,
                said: None,
            });
            if let Some((status, detail)) = state.see(&content) {
                // Nobody listens once the daemon ends.
                let _ = reports.send(Report { id: TrackerId::File(file.name), status, detail });
            }
        }
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() {
                return;
            },
            () = News::wait(&mut news) => {}
            () = sleep(LOOK) => {}
        }
    }
}

struct Job {
    file: TrackFile,
    init: Option<FileInit>,
}

impl Job {
    fn look(self) -> (TrackFile, Content) {
        let failed = self.init.and_then(|init| content::write(&self.file.path, init).err());
        let content = match failed {
            Some(error) => Content::Unusable(format!("can not be written: {error}")),
            None => content::read(&self.file.path),
        };
        (self.file, content)
    }
}

/// What is known of a file.
struct State {
    path: PathBuf,
    value: i32,
    said: Option<Content>,
}

impl State {
    /// What there is to report.
    fn see(&mut self, content: &Content) -> Option<(Status, String)> {
        if self.said.as_ref() == Some(content) {
            return None;
        }
        let path = self.path.display();
        let detail = match content {
            Content::Number(value) => {
                self.value = *value;
                String::new()
            }
            Content::Missing => {
                self.value = 0;
                format!("{NOTE}{path} is not there, which counts as 0")
            }
            Content::Unusable(why) => format!("{NOTE}{path} {why}; {} still counts", self.value),
        };
        self.said = Some(content.clone());
        Some((Status::Value(self.value), detail))
    }
}

/// Directories in which something happens.
struct News {
    inotify: AsyncFd<OwnedFd>,
    folders: BTreeSet<PathBuf>,
}

impl News {
    /// Without inotify there is the look every two seconds.
    fn open() -> Option<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
        Some(Self { inotify: pollable(inotify).ok()?, folders: BTreeSet::new() })
    }

    fn listen<'a>(&mut self, files: impl Iterator<Item = &'a PathBuf>) {
        // Not what is written to a file before it is closed: that may be half of a number.
        let what =
            WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE;
        let what = what | WatchFlags::CREATE | WatchFlags::ONLYDIR;
        self.folders = files.filter_map(|file| file.parent()).map(PathBuf::from).collect();
        for folder in &self.folders {
            // One that is not there, or was replaced, is tried again with the next look; for one that is watched already
            // this changes nothing.
            let _ = inotify::add_watch(self.inotify.get_ref(), folder, what);
        }
    }

    /// Waits until something has happened.
    async fn wait(this: &mut Option<Self>) {
        let Some(news) = this else { return std::future::pending().await };
        loop {
            let Ok(mut ready) = news.inotify.readable().await else { break };
            let mut heard = false;
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = Reader::new(news.inotify.get_ref(), &mut buffer);
            let ended = loop {
                match events.next() {
                    Ok(_) => heard = true,
                    Err(Errno::INTR) => {}
                    Err(error) => break error,
                }
            };
            match ended {
                Errno::WOULDBLOCK => ready.clear_ready(),
                // It does not work any more: the looks are left.
                _ => break,
            }
            if heard {
                return;
            }
        }
        *this = None;
    }
}
