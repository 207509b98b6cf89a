//! The demo as it goes on: live on a terminal, or as plain lines.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use lb_core::desired::ServerState;
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Block, Cell, Gauge, Paragraph, Row, Table, Wrap},
};

use super::play::{Actor, Scene};

/// Shows scenes.
pub(super) trait View {
    /// Shows one; `false` = the person before it has had enough.
    fn draw(&mut self, scene: &Scene) -> io::Result<bool>;

    /// The keys that were pressed since the last time.
    fn keys(&mut self) -> Vec<char> {
        Vec::new()
    }
}

/// The view that suits the terminal: plain lines if they are asked for, and where there is no screen to draw on.
pub(super) fn open(plain: bool) -> Box<dyn View> {
    let terminal = env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb");
    if !plain && terminal && io::stdout().is_terminal() {
        // A terminal that can not be set up still shows lines.
        if let Ok(screen) = Screen::open() {
            return Box::new(screen);
        }
    }
    Box::new(Plain::default())
}

/// One line a second, and one for each thing that happens.
#[derive(Default)]
struct Plain {
    title: String,
    notice: bool,
    told: usize,
    seconds: Option<u64>,
}

impl View for Plain {
    fn draw(&mut self, scene: &Scene) -> io::Result<bool> {
        if self.title != scene.title {
            self.title.clone_from(&scene.title);
            // Keys work on a screen only.
            let title = scene.title.split(';').next().unwrap_or_default();
            writeln!(io::stdout(), "{title}")?;
        }
        if let Some(notice) = scene.notice.as_ref().filter(|_| !self.notice) {
            self.notice = true;
            writeln!(io::stdout(), "{notice}")?;
        }
        for (at, text) in &scene.story[self.told..] {
            writeln!(io::stdout(), "{:6.2} s  * {text}", at.as_secs_f64())?;
        }
        self.told = scene.story.len();
        let seconds = scene.elapsed.as_secs();
        if self.seconds != Some(seconds) && !scene.servers.is_empty() {
            self.seconds = Some(seconds);
            let nodes: String = scene.nodes.iter().map(|node| format!("{node}  ")).collect();
            let servers: Vec<String> = scene.servers.iter().map(|server| summary(server, scene)).collect();
            writeln!(
                io::stdout(),
                "{:6.2} s  {nodes}{}  failed {}  longest gap {:.0} ms",
                scene.elapsed.as_secs_f64(),
                servers.join("  "),
                scene.seen.failures.len(),
                millis(scene.seen.longest_gap)
            )?;
        }
        Ok(true)
    }
}

/// `web1 active 120 (33 %)`.
fn summary(server: &Actor, scene: &Scene) -> String {
    let state = server.status.as_ref().map_or_else(|| "?".to_owned(), |status| status.state.to_string());
    format!("{} {state} {} ({:.0} %)", server.name, server.requests, 100.0 * share(server, scene))
}

/// A full screen, redrawn; the terminal is as before when it is dropped, also after a panic.
struct Screen {
    terminal: DefaultTerminal,
    keys: Vec<char>,
}

impl Screen {
    fn open() -> io::Result<Self> {
        match ratatui::try_init() {
            Ok(terminal) if terminal.size().is_ok_and(|size| size.area() > 0) => {
                Ok(Self { terminal, keys: Vec::new() })
            }
            opened => {
                let _ = ratatui::try_restore();
                Err(opened.err().unwrap_or_else(|| io::Error::other("the terminal has no size")))
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

impl View for Screen {
    fn draw(&mut self, scene: &Scene) -> io::Result<bool> {
        self.terminal.draw(|frame| render(frame, scene))?;
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()? {
                let interrupt =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return Ok(false);
                }
                if let KeyCode::Char(letter) = key.code {
                    self.keys.push(letter);
                }
            }
        }
        Ok(true)
    }

    fn keys(&mut self) -> Vec<char> {
        std::mem::take(&mut self.keys)
    }
}

/// Below this size there is no room for a table.
const TABLE_SIZE: (u16, u16) = (60, 17);
/// Length of a bar in the table.
const SHARE_WIDTH: usize = 10;

fn render(frame: &mut Frame<'_>, scene: &Scene) {
    let area = frame.area();
    if area.width < TABLE_SIZE.0 || area.height < TABLE_SIZE.1 {
        return render_small(frame, scene);
    }
    let notice = scene.notice.as_deref().unwrap_or_default();
    let [head, note, nodes, table, totals, story, time] = Layout::vertical([
        Constraint::Length(wrapped_height(&scene.title, area.width)),
        Constraint::Length(wrapped_height(notice, area.width)),
        Constraint::Length(scene.nodes.len() as u16),
        Constraint::Length(6),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(area);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let wrapped = |text, style| Paragraph::new(text).style(style).wrap(Wrap { trim: true });
    frame.render_widget(wrapped(scene.title.as_str(), bold), head);
    frame.render_widget(wrapped(notice, Style::new().fg(Color::Yellow)), note);
    let lines: Vec<Line<'_>> = scene.nodes.iter().map(|node| Line::from(node.as_str())).collect();
    frame.render_widget(Paragraph::new(lines), nodes);

    let rows = scene.servers.iter().map(|server| row(server, scene));
    // Together they fit into 80 columns.
    let widths = [5, 16, 9, 6, 8, SHARE_WIDTH as u16 + 6]
        .map(Constraint::Length)
        .into_iter()
        .chain([Constraint::Min(8)]);
    let header = Row::new(["", "address", "state", "active", "requests", "share", "check"]).style(bold);
    frame.render_widget(Table::new(rows, widths).header(header).block(Block::bordered()), table);

    let detect = match scene.detect {
        Some(detect) => format!(", the dead server was noticed after {:.0} ms", millis(detect)),
        None => String::new(),
    };
    let sums = format!(
        "{} requests, {} failed, longest gap between answers {:.0} ms{detect}",
        scene.seen.answered() + scene.seen.failures.len() as u64,
        scene.seen.failures.len(),
        millis(scene.seen.longest_gap)
    );
    frame.render_widget(Paragraph::new(sums), totals);

    let newest = scene.story.iter().rev().take(usize::from(story.height.saturating_sub(2))).rev();
    let lines: Vec<Line<'_>> = newest.map(|entry| Line::from(told(entry))).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title("what happens")), story);

    let part = scene.elapsed.as_secs_f64() / scene.total.as_secs_f64().max(1.0);
    let label = format!("{:.0} of {} s", scene.elapsed.as_secs_f64(), scene.total.as_secs());
    frame.render_widget(Gauge::default().ratio(part.clamp(0.0, 1.0)).label(label), time);
}

/// Lines that a text takes at most when it is wrapped between words, but not more than three.
fn wrapped_height(text: &str, width: u16) -> u16 {
    const LONG_WORD: usize = 12;
    let usable = usize::from(width).saturating_sub(if text.len() > width.into() { LONG_WORD } else { 0 });
    text.len().div_ceil(usable.max(1)).min(3) as u16
}

/// What matters most, as far as there is room: one line each, and the newest of the story in what is left.
fn render_small(frame: &mut Frame<'_>, scene: &Scene) {
    let area = frame.area();
    let mut lines = vec![scene.notice.clone().unwrap_or_else(|| scene.title.clone())];
    if !scene.servers.is_empty() {
        lines.push(format!("{} ok, {} failed", scene.seen.answered(), scene.seen.failures.len()));
    }
    lines.extend(scene.nodes.iter().cloned());
    lines.extend(scene.servers.iter().map(|server| summary(server, scene)));
    // The story keeps the last line, or a third of a higher screen.
    let room = usize::from(area.height - (area.height / 3).max(u16::from(area.height > 1)));
    lines.truncate(room);
    let newest = scene.story.iter().rev().take(usize::from(area.height).saturating_sub(lines.len())).rev();
    lines.extend(newest.map(told));
    let lines: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn told((at, text): &(Duration, String)) -> String {
    format!("{:6.2} s  {text}", at.as_secs_f64())
}

fn row<'a>(server: &Actor, scene: &Scene) -> Row<'a> {
    let share = share(server, scene);
    let bar = "█".repeat((share * SHARE_WIDTH as f64).round() as usize);
    let status = server.status.as_ref();
    let state = status.map(|status| status.state);
    let color = match state {
        Some(ServerState::Active) => Color::Green,
        Some(ServerState::Draining) => Color::Yellow,
        _ => Color::Red,
    };
    let check = status.map_or_else(String::new, |status| {
        let latency = status.check.latency_ms.map_or_else(String::new, |ms| format!(" {ms:.1} ms"));
        format!("{} {}{latency}", status.check.health, status.check.seen)
    });
    Row::new([
        Cell::from(server.name.clone()),
        Cell::from(server.address.to_string()),
        Cell::from(state.map_or_else(String::new, |state| state.to_string())).style(Style::new().fg(color)),
        Cell::from(status.map_or(0, |status| status.counters.active).to_string()),
        Cell::from(server.requests.to_string()),
        Cell::from(format!("{bar:<SHARE_WIDTH$} {:3.0} %", 100.0 * share)),
        Cell::from(check),
    ])
}

/// Which part of all good answers came from this server.
fn share(server: &Actor, scene: &Scene) -> f64 {
    server.requests as f64 / scene.seen.answered().max(1) as f64
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests;
