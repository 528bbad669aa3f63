use std::time::Duration;

use fleet::service::config::Env;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table};

use super::sections::{Cell, Column, Section, Tone, moment, sections, since};
use super::snapshot::{Database, Snapshot};
use crate::output;

/// The columns between two columns of a table.
const GAP: u16 = 2;

/// What the last column of a table needs to say something.
const LAST_WIDTH_MIN: usize = 32;

/// The lines of a section without its rows: title, headings, and an empty one after it.
const FRAME_LINES: u16 = 3;

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Palette {
    Colour,
    Plain,
}

/// What stands around the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) program: &'static str,
    pub(super) version: &'static str,
    pub(super) every: Duration,
}

impl Palette {
    /// Heeds NO_COLOR; an empty one counts as unset.
    pub(super) fn of(env: &dyn Env) -> Self {
        match env.get("NO_COLOR").filter(|value| !value.is_empty()) {
            Some(_) => Self::Plain,
            None => Self::Colour,
        }
    }

    fn style(self, tone: Tone) -> Style {
        let colour = match (self, tone) {
            (Self::Plain, _) | (_, Tone::Plain) => return Style::new(),
            (Self::Colour, Tone::Good) => Color::Green,
            (Self::Colour, Tone::Notable) => Color::Yellow,
            (Self::Colour, Tone::Bad) => Color::Red,
        };
        Style::new().fg(colour)
    }
}

/// Draws a snapshot.
pub(super) fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, header: Header, palette: Palette) {
    let area = frame.area();
    let mut top = vec![title(snapshot, header)];
    let troubles = snapshot.troubles();
    top.extend(troubles.into_iter().map(|trouble| {
        let text = output::escape(trouble);
        Line::styled(text, palette.style(Tone::Bad))
    }));
    top.push(Line::default());
    let keys = "q, Esc or Ctrl-C: quit";
    let above = rows(top.len()).min(area.height);
    frame.render_widget(
        ratatui::text::Text::from(top),
        Rect {
            height: above,
            ..area
        },
    );
    let below = area.height.saturating_sub(above + 1);
    let sections = sections(snapshot);
    let shown = share(below, &sections);
    let mut y = area.y + above;
    for (section, lines) in sections.iter().zip(shown) {
        let room = Rect {
            y,
            height: lines.min((area.y + above + below).saturating_sub(y)),
            ..area
        };
        draw_section(frame, section, room, palette);
        y += room.height;
    }
    if area.height > above {
        let last = Rect {
            y: area.bottom() - 1,
            height: 1,
            ..area
        };
        frame.render_widget(Line::styled(keys, Modifier::DIM), last);
    }
}

fn title(snapshot: &Snapshot, header: Header) -> Line<'static> {
    let Header {
        program,
        version,
        every,
    } = header;
    let database = match &snapshot.database {
        Database::Stale(stale) => format!("database: {}", since(stale)),
        Database::Answers | Database::Unnamed => format!("every {every:?}"),
    };
    let at = moment(snapshot.at);
    Line::from(vec![
        Span::styled(format!("{program} {version}"), Modifier::BOLD),
        Span::raw(format!("  {at}  {database}")),
    ])
}

/// Shares lines out: every section gets what says something, and the rest goes round in turns.
fn share(lines: u16, sections: &[Section]) -> Vec<u16> {
    let wanted: Vec<u16> = sections
        .iter()
        .map(|section| match section.rows.len() {
            // What is said in place of the table needs no headings.
            0 => FRAME_LINES,
            count => rows(count).saturating_add(FRAME_LINES),
        })
        .collect();
    let mut shares: Vec<u16> = wanted
        .iter()
        .map(|wanted| (*wanted).min(FRAME_LINES + 1))
        .collect();
    let mut left = lines.saturating_sub(shares.iter().sum());
    while left > 0 {
        let mut takers = 0;
        for (share, wanted) in shares.iter_mut().zip(&wanted) {
            if *share < *wanted && left > 0 {
                *share += 1;
                left -= 1;
                takers += 1;
            }
        }
        if takers == 0 {
            break;
        }
    }
    shares
}

fn draw_section(frame: &mut Frame<'_>, section: &Section, area: Rect, palette: Palette) {
    let mut lines = area.rows();
    let Some(first) = lines.next() else { return };
    frame.render_widget(Line::styled(section.title, Modifier::BOLD), first);
    let body = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(2),
        ..area
    };
    if section.rows.is_empty() {
        frame.render_widget(Line::styled(section.nothing, Modifier::DIM), body);
        return;
    }
    let columns = fitting(section, usize::from(area.width));
    let widths = columns
        .iter()
        .map(|&(_, width)| Constraint::Length(rows(width)));
    let headings = columns.iter().map(|&(column, width)| {
        let column = &section.columns[column];
        aligned(column.heading, width, column)
    });
    let headings = Row::new(headings.collect::<Vec<_>>()).style(Modifier::DIM);
    let room = usize::from(body.height.saturating_sub(1));
    let hidden = match section.rows.len() > room {
        true => section.rows.len() + 1 - room.max(1),
        false => 0,
    };
    let mut shown: Vec<Row<'_>> = section.rows[..section.rows.len() - hidden]
        .iter()
        .map(|row| line(section, row, &columns, palette))
        .collect();
    if hidden > 0 {
        let more = Line::styled(format!("… {hidden} more"), Modifier::DIM);
        shown.push(Row::new([ratatui::widgets::Cell::from(more)]));
    }
    let table = Table::new(shown, widths)
        .header(headings)
        .column_spacing(GAP);
    frame.render_widget(table, body);
}

fn line<'a>(
    section: &Section,
    row: &'a [Cell],
    columns: &[(usize, usize)],
    palette: Palette,
) -> Row<'a> {
    let cells = columns.iter().map(|&(column, width)| {
        let cell = &row[column];
        let text = aligned(&cell.text, width, &section.columns[column]);
        ratatui::widgets::Cell::from(text).style(palette.style(cell.tone))
    });
    let style = match section.is_stale {
        true => Style::new().add_modifier(Modifier::DIM),
        false => Style::new(),
    };
    Row::new(cells.collect::<Vec<_>>()).style(style)
}

/// Chooses the columns that fit, with their widths: those that say least are left out first.
fn fitting(section: &Section, width: usize) -> Vec<(usize, usize)> {
    let last = section.columns.len() - 1;
    let mut columns: Vec<(usize, usize)> = (0..=last)
        .map(|column| (column, natural_width(section, column)))
        .collect();
    loop {
        let fixed: usize = columns
            .iter()
            .filter(|&&(column, _)| column != last)
            .map(|&(_, natural)| natural + usize::from(GAP))
            .sum();
        let wanted = natural_width(section, last).min(LAST_WIDTH_MIN);
        let highest = columns
            .iter()
            .map(|&(column, _)| rank(section.columns, column));
        match highest.max() {
            Some(highest @ 1..) if fixed + wanted > width => {
                columns.retain(|&(column, _)| rank(section.columns, column) < highest);
            }
            _ => {
                for (column, natural) in &mut columns {
                    if *column == last {
                        *natural = (*natural).min(width.saturating_sub(fixed));
                    }
                }
                return columns;
            }
        }
    }
}

fn rank(columns: &[Column], column: usize) -> u8 {
    columns[column].rank
}

fn natural_width(section: &Section, column: usize) -> usize {
    let cells = section.rows.iter().map(|row| width(&row[column].text));
    let heading = width(section.columns[column].heading);
    cells.max().unwrap_or(0).max(heading)
}

/// Fits text into a width, with a sign where some of it is missing.
fn aligned(text: &str, room: usize, column: &Column) -> Line<'static> {
    let mut fitted = text.to_owned();
    if width(text) > room {
        while width(&fitted) >= room.max(1) {
            fitted.pop();
        }
        fitted.push('…');
    }
    match column.is_number {
        true => Line::raw(fitted).right_aligned(),
        false => Line::raw(fitted),
    }
}

fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Counts lines or columns: no terminal has more than a `u16` counts.
fn rows(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fleet::store::RecentFailure;
    use insta::assert_snapshot;
    use jiff::Timestamp;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::command::top::snapshot::{Consumer, Outbox, Process, Stale, Work};
    use crate::muster::PauseState;

    const HEADER: Header = Header {
        program: "shop",
        version: "1.2.3",
        every: Duration::from_secs(2),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("it is in range")
    }

    fn consumer(name: &str) -> Consumer {
        Consumer {
            consumer: name.to_owned(),
            queue: name.to_owned(),
            backlog: Some(12_345),
            in_flight: Some(32),
            delayed: Some(0),
            dead_letters: Some(0),
            lag_secs: Some(95),
            stale: None,
            trouble: None,
            work: Some(Work {
                processes: 2,
                busy: 31,
                concurrency: 32,
                per_second: 412.5,
                p99_ms: Some(83.4),
                down: Vec::new(),
            }),
            pause: None,
        }
    }

    fn process(pid: u32) -> Process {
        Process {
            host: "billing-7d9f".to_owned(),
            pid,
            kind: "run".to_owned(),
            version: "1.2.3".to_owned(),
            build: "0123abcd".to_owned(),
            started_at: at(-7_384),
            up_secs: 7_384,
            seen_secs_ago: 3,
            is_present: true,
            consumers: vec!["billing".to_owned(), "mail".to_owned()],
        }
    }

    fn failure(n: i64) -> RecentFailure {
        RecentFailure {
            at: at(-n),
            consumer: "billing".to_owned(),
            what: "dead-lettered".to_owned(),
            event_type: Some("order.placed".to_owned()),
            event_id: Some(format!("order-{n}")),
            reason: "order has no customer, and so nobody can be asked to pay".to_owned(),
        }
    }

    fn busy() -> Snapshot {
        let mut mail = consumer("mail");
        mail.work = mail.work.map(|work| Work {
            down: vec!["smtp".to_owned()],
            p99_ms: None,
            ..work
        });
        mail.dead_letters = Some(7);
        let mut stock = consumer("stock");
        stock.pause = Some(PauseState {
            by: "ann@desk".to_owned(),
            since: at(-60),
            reason: "wrong\u{1b}[2J prices".to_owned(),
            until: None,
        });
        let mut lost = process(4_712);
        lost.is_present = false;
        lost.seen_secs_ago = 83;
        Snapshot {
            at: at(0),
            consumers: vec![consumer("billing"), mail, stock],
            processes: Some(vec![process(4_711), lost]),
            outbox: Some(vec![Outbox {
                destination: "billing".to_owned(),
                pending: 40,
                parked: 1,
                oldest_secs: 95,
            }]),
            failures: Some((1..=12).map(failure).collect()),
            has_attempts: true,
            database: Database::Answers,
        }
    }

    fn drawn(snapshot: &Snapshot, width: u16, height: u16, palette: Palette) -> TestBackend {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it is memory");
        let draw = |frame: &mut Frame<'_>| draw(frame, snapshot, HEADER, palette);
        terminal.draw(draw).expect("it is memory");
        terminal.backend().clone()
    }

    fn shown(snapshot: &Snapshot, width: u16, height: u16) -> String {
        let backend = drawn(snapshot, width, height, Palette::Colour);
        let lines = backend.to_string();
        let lines = lines.lines().map(|line| line.trim_matches('"').trim_end());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        assert_snapshot!(shown(&busy(), 140, 32), @r"
        shop 1.2.3  2023-11-14T22:13:20Z  every 2s

        CONSUMERS
        CONSUMER  QUEUE    BACKLOG  IN FLIGHT  DELAYED  DEAD       LAG     RATE   BUSY    P99  PROCESSES  STATE
        billing   billing    12345         32        0     0  1 m 35 s  412.5/s  31/32  83 ms          2  runs
        mail      mail       12345         32        0     7  1 m 35 s  412.5/s  31/32      -          2  waits for smtp
        stock     stock      12345         32        0     0  1 m 35 s  412.5/s  31/32  83 ms          2  paused by ann@desk: wrong\u{1b}[2J prices

        PROCESSES
        HOST           PID  KIND  VERSION  BUILD          UP  SEEN          CONSUMERS
        billing-7d9f  4711  run   1.2.3    0123abcd  2 h 3 m  now           billing, mail
        billing-7d9f  4712  run   1.2.3    0123abcd  2 h 3 m  1 m 23 s ago  billing, mail

        OUTBOX
        DESTINATION  PENDING  PARKED    OLDEST
        billing           40       1  1 m 35 s

        RECENT FAILURES
        AT                    CONSUMER  WHAT           TYPE          EVENT     REASON
        2023-11-14T22:13:19Z  billing   dead-lettered  order.placed  order-1   order has no customer, and so nobody can be asked to pay
        2023-11-14T22:13:18Z  billing   dead-lettered  order.placed  order-2   order has no customer, and so nobody can be asked to pay
        2023-11-14T22:13:17Z  billing   dead-lettered  order.placed  order-3   order has no customer, and so nobody can be asked to pay
        2023-11-14T22:13:16Z  billing   dead-lettered  order.placed  order-4   order has no customer, and so nobody can be asked to pay
        2023-11-14T22:13:15Z  billing   dead-lettered  order.placed  order-5   order has no customer, and so nobody can be asked to pay
        2023-11-14T22:13:14Z  billing   dead-lettered  order.placed  order-6   order has no customer, and so nobody can be asked to pay
        2023-11-14T22:13:13Z  billing   dead-lettered  order.placed  order-7   order has no customer, and so nobody can be asked to pay
        2023-11-14T22:13:12Z  billing   dead-lettered  order.placed  order-8   order has no customer, and so nobody can be asked to pay
        2023-11-14T22:13:11Z  billing   dead-lettered  order.placed  order-9   order has no customer, and so nobody can be asked to pay
        2023-11-14T22:13:10Z  billing   dead-lettered  order.placed  order-10  order has no customer, and so nobody can be asked to pay
        … 2 more

        q, Esc or Ctrl-C: quit
        ");
    }

    #[test]
    fn a_narrow_terminal_shows_what_says_most() {
        assert_snapshot!(shown(&busy(), 80, 24), @r"
        shop 1.2.3  2023-11-14T22:13:20Z  every 2s

        CONSUMERS
        CONSUMER  BACKLOG  DEAD       LAG     RATE   BUSY  STATE
        billing     12345     0  1 m 35 s  412.5/s  31/32  runs
        mail        12345     7  1 m 35 s  412.5/s  31/32  waits for smtp
        stock       12345     0  1 m 35 s  412.5/s  31/32  paused by ann@desk: wrong\u{…

        PROCESSES
        HOST           PID  KIND  VERSION       UP  SEEN          CONSUMERS
        billing-7d9f  4711  run   1.2.3    2 h 3 m  now           billing, mail
        billing-7d9f  4712  run   1.2.3    2 h 3 m  1 m 23 s ago  billing, mail

        OUTBOX
        DESTINATION  PENDING  PARKED    OLDEST
        billing           40       1  1 m 35 s

        RECENT FAILURES
        AT                    CONSUMER  TYPE          REASON
        2023-11-14T22:13:19Z  billing   order.placed  order has no customer, and so nob…
        2023-11-14T22:13:18Z  billing   order.placed  order has no customer, and so nob…
        … 10 more

        q, Esc or Ctrl-C: quit
        ");
    }

    #[test]
    fn nothing_known_yet_is_said() {
        let mut billing = consumer("billing");
        (billing.backlog, billing.in_flight, billing.delayed) = (None, None, None);
        (billing.dead_letters, billing.lag_secs, billing.work) = (None, None, None);
        let snapshot = Snapshot {
            at: at(0),
            consumers: vec![billing],
            processes: None,
            outbox: None,
            failures: None,
            has_attempts: true,
            database: Database::Unnamed,
        };
        assert_snapshot!(shown(&snapshot, 80, 24), @"
        shop 1.2.3  2023-11-14T22:13:20Z  every 2s
        without DATABASE_URL only the queues are known

        CONSUMERS
        CONSUMER  BACKLOG  IN FLIGHT  DEAD  LAG  RATE  BUSY  P99  PROCESSES  STATE
        billing         -          -     -    -     -     -    -          -  -

        PROCESSES
        unknown

        OUTBOX
        unknown

        RECENT FAILURES
        unknown








        q, Esc or Ctrl-C: quit
        ");
    }

    #[test]
    fn what_is_not_the_latest_says_since_when_and_why() {
        let mut snapshot = busy();
        let stale = |why: &str, as_of| Stale {
            as_of,
            why: why.to_owned(),
        };
        snapshot.consumers.truncate(1);
        snapshot.consumers[0].stale = Some(stale("queue billing: cannot be reached", Some(at(-9))));
        snapshot.database = Database::Stale(stale("connection refused", Some(at(-20))));
        snapshot.failures = Some(Vec::new());
        snapshot.outbox = Some(Vec::new());
        snapshot.processes = Some(Vec::new());
        assert_snapshot!(shown(&snapshot, 100, 24), @"
        shop 1.2.3  2023-11-14T22:13:20Z  database: stale since 2023-11-14T22:13:00Z
        queue billing: cannot be reached
        database: connection refused

        CONSUMERS
        CONSUMER  BACKLOG  DEAD       LAG     RATE   BUSY    P99  STATE
        billing     12345     0  1 m 35 s  412.5/s  31/32  83 ms  stale since 2023-11-14T22:13:11Z

        PROCESSES
        none has shown itself lately

        OUTBOX
        nothing waits

        RECENT FAILURES
        none







        q, Esc or Ctrl-C: quit
        ");
    }

    #[test]
    fn a_terminal_of_any_size_is_drawn_on() {
        for width in 1..60 {
            for height in 1..30 {
                drawn(&busy(), width, height, Palette::Colour);
            }
        }
    }

    #[test]
    fn colours_are_used_unless_somebody_minds() {
        let colours = |palette| {
            let backend = drawn(&busy(), 140, 32, palette);
            let cells = backend.buffer().content();
            cells.iter().filter(|cell| cell.fg != Color::Reset).count()
        };
        assert!(colours(Palette::Colour) > 0);
        assert_eq!(colours(Palette::Plain), 0);
        let env = |value: &str| BTreeMap::from([("NO_COLOR".to_owned(), value.to_owned())]);
        assert_eq!(Palette::of(&env("1")), Palette::Plain);
        assert_eq!(Palette::of(&env("")), Palette::Colour);
        assert_eq!(Palette::of(&BTreeMap::new()), Palette::Colour);
    }
}
