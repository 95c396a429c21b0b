//! `cpan-bridge top`: a running broker, live, on the whole screen.
//!
//! | file | owns |
//! | --- | --- |
//! | `sample` | what the broker says of itself, and how it changes |
//! | `view` | how that is drawn |

mod sample;
mod view;

use super::client::{Address, Client};
use super::{configure_client, connection_flags, fail};
use clap::{Arg, ArgMatches, Command, value_parser};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
pub use sample::Sample;
use sample::State;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use view::{Screen, Sort, Tab};

/// The subcommand.
pub fn command() -> Command {
    Command::new("top")
        .about("Shows a running broker, live")
        .long_about(
            "Shows a running broker, live: calls and latency over time, functions, connections with their programs, recent \
             errors, and the verdict on its health. A terminal of 80 by 24 is enough. Keys are shown at the bottom.",
        )
        .arg(
            Arg::new("interval")
                .short('i')
                .long("interval")
                .value_name("SECONDS")
                .value_parser(value_parser!(f64))
                .default_value("1")
                .help("Time between two looks, 0.1 to 60"),
        )
        .args(connection_flags())
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let address = match configure_client(flags) {
        Ok(address) => address,
        Err(error) => return fail(2, &error),
    };
    let seconds = flags.get_one::<f64>("interval").copied().unwrap_or(1.0);
    if !(0.1..=60.0).contains(&seconds) {
        return fail(2, &"the interval must be from 0.1 to 60 seconds");
    }
    if !io::stdout().is_terminal() {
        return fail(1, &"top needs a terminal; `cpan-bridge status --json` is for programs");
    }
    // Without a broker to look at there is nothing to draw, and the error is better read on the plain screen.
    let broker = match Client::connect(&address) {
        Ok(broker) => broker,
        Err(error) => return fail(error.exit_status(), &error),
    };
    let outcome = ratatui::run(|terminal| {
        let mut top = Top {
            address,
            broker: Some(broker),
            interval: Duration::from_secs_f64(seconds),
            state: State::default(),
            screen: Screen::default(),
            paused: false,
        };
        top.live(terminal)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

struct Top {
    address: Address,
    broker: Option<Client>,
    interval: Duration,
    state: State,
    screen: Screen,
    paused: bool,
}

impl Top {
    fn live(&mut self, terminal: &mut ratatui::DefaultTerminal) -> io::Result<()> {
        let mut next = Instant::now();
        loop {
            if Instant::now() >= next {
                if !self.paused {
                    self.look();
                }
                next = Instant::now() + self.interval;
            }
            let (state, screen, paused) = (&self.state, &self.screen, self.paused);
            terminal.draw(|frame| view::draw(frame, state, screen, paused))?;
            if event::poll(next.saturating_duration_since(Instant::now()))? && self.obey(&event::read()?) {
                return Ok(());
            }
        }
    }

    /// Asks the broker. One that is gone is looked for again each time.
    fn look(&mut self) {
        if self.broker.is_none() {
            self.broker = Client::connect(&self.address).ok();
        }
        let Some(broker) = &mut self.broker else {
            return self.state.lose("no broker answers at the socket");
        };
        match Sample::take(broker) {
            Ok(sample) => self.state.add(sample),
            Err(error) => {
                self.broker = None;
                self.state.lose(&error.to_string());
            }
        }
    }

    /// Does what a key asks for. True to end.
    fn obey(&mut self, event: &Event) -> bool {
        // A new size is drawn with the next round, as everything is.
        let Event::Key(key) = event else { return false };
        if key.kind != KeyEventKind::Press {
            return false;
        }
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Char('f') => self.screen.show(Tab::Functions),
            KeyCode::Char('w') => self.screen.show(Tab::Work),
            KeyCode::Char('c') => self.screen.show(Tab::Connections),
            KeyCode::Char('?') => self.screen.help = !self.screen.help,
            KeyCode::Esc if self.screen.help => self.screen.help = false,
            KeyCode::Char('e') => self.screen.show(Tab::Errors),
            KeyCode::Char('h') => self.screen.show(Tab::Health),
            KeyCode::Tab => self.screen.show(self.screen.tab.next()),
            KeyCode::Char('s') => self.screen.sort = Sort { column: self.screen.sort.column + 1, ..self.screen.sort },
            KeyCode::Char('r') => self.screen.sort.reverse = !self.screen.sort.reverse,
            KeyCode::Char('p') | KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('+') => self.interval = (self.interval / 2).max(Duration::from_millis(100)),
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('-') => self.interval = (self.interval * 2).min(Duration::from_secs(60)),
            _ => {}
        }
        false
    }
}
