//! Which queue an operator means.

use std::time::Duration;

use anyhow::anyhow;
use fleet::Consumer;
use fleet::dead_letter::Origin;
use fleet::queue::{
    ClientOptions, Queue as _, QueueAttributes, QueueError, QueueErrorKind, Sqs, SqsQueue, name_of,
};
use fleet::service::config::Env;

use crate::app::App;
use crate::exit::Exit;
use crate::{output, settings};

/// A dead-letter queue that an operator named.
pub(super) struct Target<'a> {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) attributes: QueueAttributes,
    /// The queues whose messages die here, as far as SQS tells.
    pub(super) sources: Vec<Source<'a>>,
}

/// A queue whose messages die in another.
pub(super) struct Source<'a> {
    pub(super) name: String,
    pub(super) url: String,
    /// The consumer of this program that it belongs to.
    pub(super) consumer: Option<&'a Consumer>,
}

impl<'a> Target<'a> {
    /// Finds the dead-letter queue of a consumer, which may be called by its queue as metrics and
    /// alerts do, or the queue of a name or a URL.
    ///
    /// # Errors
    ///
    /// Refused: there is none, or it has a redrive policy of its own, by which a look would move
    /// messages on.
    pub(super) async fn find(
        app: &'a App,
        env: &dyn Env,
        sqs: &Sqs,
        named: &str,
    ) -> Result<Self, Exit> {
        let consumer = consumer_of(app, env, named);
        let configured = settings::sending(env, consumer)?;
        let url = match configured {
            Some(url) => of_source(sqs, url.as_str()).await?,
            None if named.contains("://") => named.to_owned(),
            None => look_up(sqs, named).await?,
        };
        let name = name_of(&url).to_owned();
        let queue = sqs.queue(&url, ClientOptions::calling());
        let attributes = queue.attributes().await.map_err(|e| trouble(&name, e))?;
        if let Some(further) = &attributes.dead_letter_queue {
            return Err(Exit::refused(format!(
                "{name} has a redrive policy: each look would bring its messages nearer to \
                 {further}; name {further} if you mean that, or take the policy off {name}"
            )));
        }
        let sources = sources(app, env, sqs, &url).await;
        if sources.is_empty() {
            output::note(&output::escape(format!(
                "warning: SQS names no queue whose messages die in {name}; if it is no \
                 dead-letter queue, a look hides its messages from whoever works on them"
            )));
        }
        Ok(Self {
            name,
            url,
            attributes,
            sources,
        })
    }

    /// Returns a handle whose receives hide messages for a time.
    pub(super) fn hiding_for(&self, sqs: &Sqs, lease: Duration) -> SqsQueue {
        // A receive waits for some seconds at most.
        let options = ClientOptions::receiving(Duration::ZERO);
        sqs.queue(&self.url, options).hiding_for(lease)
    }

    /// Returns where a message of it comes from that does not say so itself.
    pub(super) fn origin(&self) -> Origin {
        match self.sources.as_slice() {
            [source] => Origin {
                consumer: source.consumer.map(|consumer| consumer.name().to_owned()),
                queue: source.name.clone(),
            },
            _ => Origin {
                consumer: None,
                queue: self.name.clone(),
            },
        }
    }

    /// Returns about how many messages it holds.
    pub(super) fn depth(&self) -> u64 {
        let counts = &self.attributes;
        counts.visible + counts.in_flight + counts.delayed
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// Finds a consumer by its name, or by that of its queue.
fn consumer_of<'a>(app: &'a App, env: &dyn Env, named: &str) -> Option<&'a Consumer> {
    let by_name = app.consumers.iter().find(|c| c.name() == named);
    let by_queue = || {
        let queues = settings::named_queues(env, &app.consumers);
        let of_it = |(_, url): &(&Consumer, String)| name_of(url) == named;
        queues.into_iter().find(of_it).map(|(consumer, _)| consumer)
    };
    by_name.or_else(by_queue)
}

async fn of_source(sqs: &Sqs, url: &str) -> Result<String, Exit> {
    let name = name_of(url);
    let source = sqs.queue(url, ClientOptions::calling());
    let attributes = source.attributes().await.map_err(|e| trouble(name, e))?;
    match attributes.dead_letter_queue {
        Some(dead) => look_up(sqs, &dead).await,
        None => Err(Exit::refused(format!(
            "queue {name} has no redrive policy, and so no dead-letter queue"
        ))),
    }
}

pub(super) async fn look_up(sqs: &Sqs, name: &str) -> Result<String, Exit> {
    sqs.url_of(name).await.map_err(|error| match error.kind {
        QueueErrorKind::NoSuchQueue => Exit::refused(format!(
            "{name} is no consumer of this program and no queue of this account; `queues` lists \
             the consumers' queues"
        )),
        _ => trouble(name, error),
    })
}

/// Asks SQS whose messages die in a queue; that it does not say is no reason to see nothing.
async fn sources<'a>(app: &'a App, env: &dyn Env, sqs: &Sqs, url: &str) -> Vec<Source<'a>> {
    let named = settings::named_queues(env, &app.consumers);
    let urls = match sqs.sources_of(url).await {
        Ok(urls) => urls,
        Err(error) => {
            let error = anyhow!(error);
            output::note(&output::escape(format!(
                "warning: SQS does not say whose messages die here: {error:#}"
            )));
            return Vec::new();
        }
    };
    let source = |url: String| {
        let name = name_of(&url).to_owned();
        let of_it = |(_, other): &&(&Consumer, String)| name_of(other) == name;
        Source {
            consumer: named.iter().find(of_it).map(|(consumer, _)| *consumer),
            name,
            url,
        }
    };
    urls.into_iter().map(source).collect()
}

/// Says that a queue is gone.
pub(super) fn trouble_without(name: &str) -> Exit {
    Exit::refused(format!("queue {name} does not exist"))
}

/// Says which queue could not be asked.
pub(super) fn trouble(name: &str, error: QueueError) -> Exit {
    match error.kind {
        QueueErrorKind::NoSuchQueue => trouble_without(name),
        _ => Exit::Failed(anyhow!(error).context(format!("queue {name}"))),
    }
}
