//! What each kind of command needs from the environment.

use fleet::Consumer;
use fleet::service::config::{
    AwsConfig, ConsumerConfig, DatabaseConfig, Env, Loaded, Problem, QueueUrl, Reader,
    ServiceConfig, TracesConfig, Value as _, consumer_prefix, load,
};
use fleet::store::check_address;

use crate::exit::Exit;

/// Everything that a serving command reads.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) service: ServiceConfig,
    pub(crate) database: DatabaseConfig,
    pub(crate) consumers: Vec<ConsumerConfig>,
}

/// Reads the settings of a serving command, or reports every problem at once.
pub(crate) fn serving(env: &dyn Env, consumers: &[&Consumer]) -> Result<Loaded<Settings>, Exit> {
    let loaded = load(env, |reader| {
        let service = ServiceConfig::read(reader);
        let database = read_database(reader);
        // The SDK reads these itself; here they are only checked and reported.
        AwsConfig::read(reader);
        let consumers: Vec<_> = consumers
            .iter()
            .filter_map(|consumer| ConsumerConfig::read(reader, consumer.name(), &service))
            .collect();
        database.map(|database| Settings {
            service,
            database,
            consumers,
        })
    });
    let Loaded { settings, report } = loaded.map_err(Exit::refused)?;
    let settings = settings.ok_or_else(|| Exit::refused("DATABASE_URL: is not set"))?;
    Ok(Loaded { settings, report })
}

/// Reads where the database is, and refuses addresses that the store would refuse.
fn read_database(reader: &mut Reader<'_>) -> Option<DatabaseConfig> {
    let database = DatabaseConfig::read(reader)?;
    let direct = database.direct_url.as_ref();
    let urls = [
        ("DATABASE_URL", Some(&database.url)),
        ("DATABASE_DIRECT_URL", direct),
    ];
    for (variable, url) in urls {
        if let Some(Err(why)) = url.map(|url| check_address(url.expose())) {
            reader.problem(variable, why);
        }
    }
    Some(database)
}

/// Reads where the database is, for commands that need nothing else.
pub(crate) fn database(env: &dyn Env) -> Result<DatabaseConfig, Exit> {
    let loaded = load(env, read_database).map_err(Exit::refused)?;
    loaded
        .settings
        .ok_or_else(|| Exit::refused("DATABASE_URL: is not set"))
}

/// Reads where the database is, for commands that can do with less.
pub(crate) fn database_if_named(env: &dyn Env) -> Result<Option<DatabaseConfig>, Exit> {
    match env.get("DATABASE_URL").filter(|url| !url.is_empty()) {
        Some(_) => database(env).map(Some),
        None => Ok(None),
    }
}

/// Reads the settings of the consumers, for commands that need no database.
pub(crate) fn consumers(
    env: &dyn Env,
    consumers: &[Consumer],
) -> Result<Vec<ConsumerConfig>, Exit> {
    let loaded = load(env, |reader| {
        let service = ServiceConfig::read(reader);
        AwsConfig::read(reader);
        consumers
            .iter()
            .filter_map(|consumer| ConsumerConfig::read(reader, consumer.name(), &service))
            .collect()
    });
    Ok(loaded.map_err(Exit::refused)?.settings)
}

/// What can be read of a configuration in which something may be wrong.
#[derive(Debug)]
pub(crate) struct Pieces {
    pub(crate) service: ServiceConfig,
    pub(crate) aws: AwsConfig,
    /// None when its address is missing or wrong.
    pub(crate) database: Option<DatabaseConfig>,
    /// Those in which nothing is wrong.
    pub(crate) consumers: Vec<ConsumerConfig>,
    /// What a serving command would refuse, in reading order.
    pub(crate) problems: Vec<Problem>,
    /// What it would warn of.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads every section by itself, so that a mistake in one does not hide what the others say.
pub(crate) fn piecewise(env: &dyn Env, consumers: &[&Consumer]) -> Pieces {
    let mut reader = Reader::new(env);
    let service = ServiceConfig::read(&mut reader);
    let mut problems = problems_of(reader);
    let mut reader = Reader::new(env);
    let database = read_database(&mut reader);
    let of_database = problems_of(reader);
    let database = database.filter(|_| of_database.is_empty());
    problems.extend(of_database);
    let mut reader = Reader::new(env);
    let aws = AwsConfig::read(&mut reader);
    problems.extend(problems_of(reader));
    let mut pieces = Pieces {
        service,
        aws,
        database,
        consumers: Vec::new(),
        problems,
        warnings: Vec::new(),
    };
    for consumer in consumers {
        pieces.add(env, consumer.name());
    }
    pieces
}

impl Pieces {
    fn add(&mut self, env: &dyn Env, name: &str) {
        let mut reader = Reader::new(env);
        // A section of a consumer is checked against the process's, which is read along.
        let service = ServiceConfig::read(&mut reader);
        let consumer = ConsumerConfig::read(&mut reader, name, &service);
        self.warnings.extend(reader.warnings().iter().cloned());
        let problems = problems_of(reader);
        let (known, new): (Vec<_>, Vec<_>) = problems
            .into_iter()
            .partition(|problem| self.problems.contains(problem));
        // A grace stands in the rules of every consumer.
        let is_sound = new.is_empty() && !known.iter().any(|one| one.variable.ends_with("_GRACE"));
        self.consumers.extend(consumer.filter(|_| is_sound));
        self.problems.extend(new);
    }
}

fn problems_of(reader: Reader<'_>) -> Vec<Problem> {
    reader
        .finish()
        .err()
        .map_or(Vec::new(), |error| error.problems)
}

/// Reads what sending needs: SQS, and the queue of a consumer if it goes to one.
pub(crate) fn sending(
    env: &dyn Env,
    consumer: Option<&Consumer>,
) -> Result<Option<QueueUrl>, Exit> {
    let loaded = load(env, |reader| read_destination(reader, consumer));
    Ok(loaded.map_err(Exit::refused)?.settings)
}

/// Reads what a producer needs: what sending needs, and traces.
pub(crate) fn producing(
    env: &dyn Env,
    consumer: Option<&Consumer>,
) -> Result<(Option<QueueUrl>, TracesConfig), Exit> {
    let loaded = load(env, |reader| {
        (
            read_destination(reader, consumer),
            TracesConfig::read(reader),
        )
    });
    Ok(loaded.map_err(Exit::refused)?.settings)
}

fn read_destination(reader: &mut Reader<'_>, consumer: Option<&Consumer>) -> Option<QueueUrl> {
    AwsConfig::read(reader);
    let variable = format!("{}_QUEUE_URL", consumer_prefix(consumer?.name()));
    reader.required(&variable, "the queue's URL", |_| Ok(()))
}

/// Returns the queues of the program's consumers that this environment names, whichever of them
/// a process serves; what is no URL is passed over.
pub(crate) fn known_queues(env: &dyn Env, consumers: &[Consumer]) -> Vec<QueueUrl> {
    let named = named_queues(env, consumers).into_iter();
    named
        .filter_map(|(_, url)| QueueUrl::parse(&url).ok())
        .collect()
}

/// Returns which of the consumers have queues in this environment, and their URLs.
pub(crate) fn named_queues<'a>(
    env: &dyn Env,
    consumers: &'a [Consumer],
) -> Vec<(&'a Consumer, String)> {
    let url_of =
        |consumer: &Consumer| env.get(&format!("{}_QUEUE_URL", consumer_prefix(consumer.name())));
    let named = consumers.iter().filter_map(|consumer| {
        let url = url_of(consumer).filter(|url| !url.is_empty())?;
        Some((consumer, url))
    });
    named.collect()
}
