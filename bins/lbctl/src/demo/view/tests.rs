use ratatui::{Terminal, backend::TestBackend};

use super::*;

fn screen(width: u16, height: u16, scene: &Scene) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| render(frame, scene)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

fn sample() -> Scene {
    let server = |last: u16| Actor {
        name: format!("web{last}"),
        address: ([10, 0, 0, 20], last).into(),
        requests: 10,
        status: None,
    };
    Scene {
        title: "lbctl demo: http://10.0.0.100:80/ balanced; q ends it".to_owned(),
        notice: None,
        elapsed: Duration::from_secs(3),
        total: Duration::from_secs(20),
        servers: (1..=3).map(server).collect(),
        story: vec![
            (Duration::ZERO, "three web servers".to_owned()),
            (Duration::from_secs(2), "end".to_owned()),
        ],
        nodes: vec!["lb1 MASTER".to_owned(), "lb2 BACKUP".to_owned()],
        ..Scene::default()
    }
}

#[test]
fn every_size_of_a_terminal_has_a_picture() {
    let mut alone = sample();
    alone.nodes.clear();
    alone.notice = Some("on loopback, since ".repeat(20));
    for scene in [sample(), alone, Scene::default()] {
        for width in [1, 2, 20, 59, 60, 80, 300] {
            for height in [1, 2, 3, 5, 15, 16, 17, 24, 80] {
                screen(width, height, &scene);
            }
        }
    }
}

#[test]
fn a_tiny_terminal_shows_the_nodes_and_the_newest_event() {
    let lines = screen(20, 5, &sample());
    assert_eq!(
        lines,
        ["lbctl demo: http://1", "0 ok, 0 failed", "lb1 MASTER", "lb2 BACKUP", "  2.00 s  end"]
    );
}

#[test]
fn eighty_columns_are_enough() {
    let mut scene = sample();
    scene.title = format!("lbctl demo: {}q ends it", "k kills a director, ".repeat(8));
    scene.servers[0].address = ([127, 0, 0, 1], 65_535).into();
    let text = screen(80, 24, &scene).join("\n");
    for expected in ["q ends it", "127.0.0.1:65535 ", "lb2 BACKUP", "  2.00 s  end", "3 of 20 s"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn the_notice_is_on_the_screen() {
    let mut scene = sample();
    scene.notice = Some("on loopback, with one balancer: no namespaces".to_owned());
    for (width, height) in [(80, 24), (20, 5)] {
        let text = screen(width, height, &scene).join("\n");
        assert!(text.contains("on loopback, with on"), "{text}");
    }
}
