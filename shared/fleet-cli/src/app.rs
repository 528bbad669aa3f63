use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _};
use fleet::Consumer;
use fleet::consume::Parts;
use fleet::service::config::{Env, ProcessEnv};
use fleet::store::{Migrations, Subscription};

use crate::cli::{self, Cli, Command};
use crate::command;
use crate::exit::Exit;
use crate::intake::Intake;

/// A program made of registered consumers: the whole command line comes with it.
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
/// use fleet::Consumer;
/// use fleet_cli::App;
///
/// fn main() -> ExitCode {
///     App::new("shop", env!("CARGO_PKG_VERSION"))
///         .consumer(Consumer::new("billing"))
///         .main()
/// }
/// ```
pub struct App {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) commit: &'static str,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) migrations: Vec<Migrations>,
    pub(crate) intake: Option<Arc<dyn Intake>>,
    pub(crate) refit: Option<Refit>,
}

/// Changes what a worker is made of.
pub(crate) type Refit = Arc<dyn Fn(Parts) -> Parts + Send + Sync>;

impl App {
    /// Makes a program without consumers.
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            commit: "unknown",
            consumers: Vec::new(),
            migrations: vec![Migrations::RUNTIME],
            intake: None,
            refit: None,
        }
    }

    /// Says which commit it was built from.
    #[must_use]
    pub fn commit(mut self, commit: &'static str) -> Self {
        self.commit = commit;
        self
    }

    /// Registers a consumer.
    ///
    /// # Panics
    ///
    /// There is one of this name, or the name is not made of `a-z`, `0-9` and `-`.
    #[must_use]
    pub fn consumer(mut self, consumer: Consumer) -> Self {
        let name = consumer.name();
        let is_legal = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        assert!(
            is_legal,
            "`{name}` is no name for a consumer: use a-z, 0-9 and -"
        );
        let is_new = self.consumers.iter().all(|other| other.name() != name);
        assert!(is_new, "two consumers are called {name}");
        self.consumers.push(consumer);
        self
    }

    /// Adds the migrations of a domain; they run after those of the runtime.
    #[must_use]
    pub fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations.push(migrations);
        self
    }

    /// Sets the front door through which `dev` takes input.
    #[must_use]
    pub fn intake(mut self, intake: impl Intake) -> Self {
        self.intake = Some(Arc::new(intake));
        self
    }

    /// Changes what each worker of `run` is made of, before it starts: its queues and its store can be
    /// wrapped, to watch or to disturb what goes through them.
    ///
    /// What stands in between keeps the promises of [`Queue`](fleet::queue::Queue) and
    /// [`Store`](fleet::store::Store), or the fleet does not keep its own.
    #[must_use]
    pub fn refit(mut self, refit: impl Fn(Parts) -> Parts + Send + Sync + 'static) -> Self {
        self.refit = Some(Arc::new(refit));
        self
    }

    /// Parses the command line, does what it says, and returns the exit code.
    pub fn main(self) -> ExitCode {
        let name = self.name;
        match self.execute(std::env::args_os(), &ProcessEnv) {
            Ok(()) => ExitCode::SUCCESS,
            Err(exit) => exit.report(name),
        }
    }

    fn execute(self, args: impl IntoIterator<Item = OsString>, env: &dyn Env) -> Result<(), Exit> {
        let line = self.line();
        let matches = line.clone().get_matches_from(args);
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        match cli.command {
            Command::Run(args) => command::run::run(self, args, env),
            Command::Relay => command::relay::relay(self, env),
            #[cfg(feature = "dev")]
            Command::Dev(args) => {
                let input = crate::dev::input(&matches);
                crate::dev::dev(self, args, input, env)
            }
            Command::Enqueue(args) => command::enqueue::enqueue(&self, &args, env),
            Command::Queues(args) => command::queues::queues(&self, &args, env),
            Command::Dlq(args) => command::dlq::dlq(&self, args, env),
            Command::Top(args) => command::top::top(self, &args, env),
            Command::Doctor(args) => command::doctor::doctor(&self, &args, env),
            Command::Why(args) => command::why::why(&self, &args, env),
            Command::Outbox(args) => command::outbox::outbox(&self, &args, env),
            Command::Pause(args) => command::pause::pause(&self, &args, env),
            Command::Resume(args) => command::resume::resume(&self, &args, env),
            Command::Migrate(args) => command::migrate::migrate(&self, &args, env),
            Command::Config(args) => command::config::config(&self, &args, env),
            Command::Healthcheck => command::healthcheck::healthcheck(env),
            Command::Completions(args) => command::completions::completions(line, &args),
            Command::Man(args) => command::man::man(line, &args),
        }
    }

    /// Names this build: its version and commit.
    pub(crate) fn build(&self) -> String {
        format!("{} ({})", self.version, self.commit)
    }

    /// Returns everything that may be typed.
    fn line(&self) -> clap::Command {
        let line = Cli::command().version(self.build());
        #[cfg(feature = "dev")]
        let line = match &self.intake {
            Some(intake) => crate::dev::with_intake(line, intake.noun()),
            None => line,
        };
        cli::with_name(line, self.name)
    }

    /// Finds a consumer by its name; another name is a wrong command line.
    pub(crate) fn find(&self, name: &str) -> Result<&Consumer, Exit> {
        let found = self
            .consumers
            .iter()
            .find(|consumer| consumer.name() == name);
        found.ok_or_else(|| {
            let known: Vec<_> = self.consumers.iter().map(Consumer::name).collect();
            Exit::refused(format!(
                "there is no consumer {name}; this program has {}",
                known.join(", ")
            ))
        })
    }

    /// Returns which consumer wants which events.
    pub(crate) fn subscriptions(&self) -> Vec<Subscription> {
        let of = |consumer: &Consumer| {
            let name = consumer.name();
            consumer
                .event_types()
                .into_iter()
                .map(move |event_type| Subscription {
                    event_type: event_type.to_owned(),
                    consumer: name.to_owned(),
                })
        };
        self.consumers.iter().flat_map(of).collect()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("consumers", &self.consumers)
            .finish_non_exhaustive()
    }
}
