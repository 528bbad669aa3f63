use std::path::Path;

use anyhow::{Context as _, anyhow};
use fleet::message::{BODY_BYTES_MAX, EventKey, NewEvent, Outgoing};
use fleet::queue::{ClientOptions, Queue, QueueErrorKind, Sqs};
use fleet::service::config::Env;
use fleet::service::traces::{self, Span, TraceContext};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::app::App;
use crate::cli::Enqueue;
use crate::exit::Exit;
use crate::host::runtime;
use crate::lines::Lines;
use crate::progress::Bar;
use crate::sending::{NoQueue, Sender, TOGETHER_MAX};
use crate::{output, settings};

/// What became of the input.
#[derive(Debug, Default, Serialize)]
struct Summary {
    sent: u64,
    not_sent: u64,
}

/// A line that is ready to be sent.
struct Line {
    place: String,
    message: Outgoing,
    /// Ends when SQS has answered for it.
    span: Span,
}

/// Sends JSON lines to a queue, one event a line.
pub(crate) fn enqueue(app: &App, args: &Enqueue, env: &dyn Env) -> Result<(), Exit> {
    let consumer = app.consumers.iter().find(|c| c.name() == args.queue);
    let (configured, traces) = settings::producing(env, consumer)?;
    let traces = traces::begin(&traces, app.name, app.version).context("cannot start traces")?;
    let summary = runtime()?.block_on(async {
        let sqs = Sqs::connect().await;
        let url = match configured {
            Some(url) => url.as_str().to_owned(),
            None if args.queue.contains("://") => args.queue.clone(),
            None => look_up(&sqs, &args.queue).await?,
        };
        let queue = sqs.queue(&url, ClientOptions::calling());
        let mut input = Input {
            app,
            args,
            producer: producer(env),
            queue: &queue,
            sender: Sender::to(&queue),
            bar: Bar::counting("sent"),
            summary: Summary::default(),
        };
        let sent = input.send_all().await;
        traces.stop().await;
        sent.map(|()| input.summary)
    })?;
    match args.json {
        true => output::json(&summary).context("cannot write")?,
        false => output::note(&format!(
            "{} sent, {} not sent",
            summary.sent, summary.not_sent
        )),
    }
    match summary {
        Summary { not_sent: 0, .. } => Ok(()),
        Summary { sent: 0, .. } => Err(anyhow!("nothing was sent to {}", args.queue).into()),
        Summary { .. } => Err(Exit::Partly(anyhow!("some lines were not sent"))),
    }
}

async fn look_up(sqs: &Sqs, name: &str) -> Result<String, Exit> {
    sqs.url_of(name).await.map_err(|error| match error.kind {
        QueueErrorKind::NoSuchQueue => Exit::refused(format!(
            "{name} is no consumer of this program and no queue of this account; `queues` lists \
             the consumers' queues"
        )),
        _ => Exit::Failed(anyhow::Error::new(error).context(format!("queue {name}"))),
    })
}

/// The files, on their way to the queue.
struct Input<'a> {
    app: &'a App,
    args: &'a Enqueue,
    /// The trace of whoever calls.
    producer: Option<TraceContext>,
    queue: &'a dyn Queue,
    sender: Sender<'a>,
    bar: Bar,
    summary: Summary,
}

impl Input<'_> {
    async fn send_all(&mut self) -> Result<(), Exit> {
        let stdin = [Path::new("-").to_owned()];
        let files = if self.args.files.is_empty() {
            &stdin[..]
        } else {
            &self.args.files[..]
        };
        for path in files {
            match Lines::open(path) {
                Ok(lines) => self.send_lines(lines).await?,
                Err(error) => {
                    let name = path.display().to_string();
                    self.refuse(&name, &format!("cannot be read: {error}"));
                }
            }
        }
        self.bar.finish();
        Ok(())
    }

    async fn send_lines(&mut self, lines: Lines) -> Result<(), Exit> {
        let name = lines.name.clone();
        let mut ready = Vec::new();
        for (number, line) in lines {
            let place = format!("{name}:{number}");
            let message = line
                .map_err(|error| error.to_string())
                .and_then(|line| self.message(line.trim()));
            match message {
                Ok(mut message) => {
                    let span = Span::send(self.queue.name(), self.producer.as_ref());
                    if let Some(trace) = span.context() {
                        message.carry(&trace);
                    }
                    ready.push(Line {
                        place,
                        message,
                        span,
                    });
                }
                Err(problem) => self.refuse(&place, &problem),
            }
            if ready.len() == TOGETHER_MAX {
                self.send(std::mem::take(&mut ready)).await?;
            }
        }
        self.send(ready).await
    }

    /// Makes a message of a line, or says what is wrong with it.
    fn message(&self, text: &str) -> Result<Outgoing, String> {
        serde_json::from_str::<&RawValue>(text)
            .map_err(|error| format!("is not JSON (column {})", error.column()))?;
        let event_type = &self.args.event_type;
        let consumers = self.app.consumers.iter();
        if let Some(Err(misfit)) = consumers.filter_map(|c| c.check(event_type, text)).next() {
            return Err(misfit.to_string());
        }
        let id = match &self.args.id_field {
            Some(field) => id_of(text, field)?,
            None => Uuid::now_v7().to_string(),
        };
        let event = NewEvent {
            key: EventKey::new(&self.args.source, &id),
            event_type: event_type.clone(),
            time: Timestamp::now(),
            data: text.to_owned(),
            ordering_key: None,
            trace: self.producer.clone(),
        };
        let mut message = event.to_message();
        if self.queue.is_fifo() {
            message.group_id = Some(id.clone());
            message.deduplication_id = Some(id);
        }
        match message.size_bytes() {
            size if size > BODY_BYTES_MAX => Err(format!(
                "makes a message of {size} bytes, at most {BODY_BYTES_MAX} are allowed"
            )),
            _ => Ok(message),
        }
    }

    /// Sends lines; ends everything when there is no such queue.
    async fn send(&mut self, lines: Vec<Line>) -> Result<(), Exit> {
        let (places, messages): (Vec<_>, Vec<_>) = lines
            .into_iter()
            .map(|line| ((line.place, line.span), line.message))
            .unzip();
        let answers = self.sender.send(&messages).await;
        let answers = answers.map_err(|NoQueue| self.without_queue())?;
        for ((place, mut span), answer) in places.into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    self.summary.sent += 1;
                    self.bar.advance(1);
                }
                Err(problem) => {
                    span.fail("not_sent");
                    self.refuse(&place, &problem);
                }
            }
        }
        Ok(())
    }

    fn without_queue(&self) -> Exit {
        let text = format!(
            "queue {} does not exist; create it, or name another",
            self.queue.name()
        );
        match self.summary.sent {
            0 => Exit::refused(text),
            sent => Exit::Partly(anyhow!("{text} ({sent} were sent while it was there)")),
        }
    }

    fn refuse(&mut self, place: &str, problem: &str) {
        self.summary.not_sent += 1;
        self.bar
            .note(&output::escape(format!("{place}: {problem}")));
    }
}

/// Reads the trace of whoever calls, by the convention for environment variables.
///
/// Source: OpenTelemetry specification, "Environment Variables as Context Propagation Carriers".
fn producer(env: &dyn Env) -> Option<TraceContext> {
    TraceContext::parse(&env.get("TRACEPARENT")?, env.get("TRACESTATE").as_deref())
}

/// Reads the id of an event out of its data; numbers are taken as they are written.
fn id_of(text: &str, field: &str) -> Result<String, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match value.get(field) {
        Some(serde_json::Value::String(id)) if !id.is_empty() => Ok(id.clone()),
        Some(serde_json::Value::Number(id)) => Ok(id.to_string()),
        Some(_) => Err(format!("field {field} is neither text nor number")),
        None => Err(format!("has no field {field}")),
    }
}
