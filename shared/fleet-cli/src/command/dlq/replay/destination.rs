use fleet::dead_letter::Destination;
use fleet::queue::{ClientOptions, Queue as _, Sqs, SqsQueue, name_of};
use fleet::service::config::Env;

use crate::app::App;
use crate::command::dlq::target::{Target, look_up, trouble};
use crate::exit::Exit;
use crate::settings;

/// Where dead letters go.
pub(in crate::command::dlq) struct Place<'a> {
    pub(in crate::command::dlq) name: String,
    pub(super) queue: SqsQueue,
    /// The consumer of this program that takes them.
    pub(in crate::command::dlq) consumer: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// Finds the queue that was named, or the one that they come from.
    ///
    /// # Errors
    ///
    /// Refused: there is none, there are several, or it is the dead-letter queue itself.
    pub(in crate::command::dlq) async fn find(
        app: &'a App,
        env: &dyn Env,
        sqs: &Sqs,
        target: &Target<'_>,
        named: Option<&str>,
    ) -> Result<Self, Exit> {
        let url = match named {
            Some(named) => url_of(app, env, sqs, named).await?,
            None => only_source(target)?.to_owned(),
        };
        let name = name_of(&url).to_owned();
        if name == target.name {
            return Err(Exit::refused(format!(
                "the messages would go from {name} to {name}; say --to another queue"
            )));
        }
        let queue = sqs.queue(&url, ClientOptions::calling());
        queue.attributes().await.map_err(|e| trouble(&name, e))?;
        let consumers = settings::named_queues(env, &app.consumers);
        let consumer = consumers.iter().find(|(_, other)| name_of(other) == name);
        Ok(Self {
            queue,
            consumer: consumer.map(|(consumer, _)| consumer.name()),
            name,
        })
    }

    /// Returns its URL.
    pub(in crate::command::dlq) fn url(&self) -> &str {
        self.queue.url()
    }

    /// Says whose it is.
    pub(super) fn kind(&self) -> Destination {
        match self.consumer {
            Some(_) => Destination::Fleet,
            None => Destination::Foreign,
        }
    }
}

async fn url_of(app: &App, env: &dyn Env, sqs: &Sqs, named: &str) -> Result<String, Exit> {
    let consumer = app.consumers.iter().find(|one| one.name() == named);
    match settings::sending(env, consumer)? {
        Some(url) => Ok(url.as_str().to_owned()),
        None if named.contains("://") => Ok(named.to_owned()),
        None => look_up(sqs, named).await,
    }
}

fn only_source<'t>(target: &'t Target<'_>) -> Result<&'t str, Exit> {
    match target.sources.as_slice() {
        [source] => Ok(&source.url),
        [] => Err(Exit::refused(format!(
            "SQS names no queue whose messages die in {}; say --to where they go",
            target.name
        ))),
        several => {
            let names: Vec<_> = several.iter().map(|one| one.name.as_str()).collect();
            Err(Exit::refused(format!(
                "the messages of several queues die in {}: {}; say --to one of them, and only \
                 those go that come from it",
                target.name,
                names.join(", ")
            )))
        }
    }
}
