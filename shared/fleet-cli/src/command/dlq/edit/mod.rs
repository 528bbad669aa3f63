//! `dlq edit`: one dead letter, changed by hand and sent in place of what it was.

/// The letter that is meant.
mod letter;

/// What of it may change.
mod draft;

/// Who changes it.
mod editor;

/// What changed.
mod diff;

/// Its way back.
mod send;

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use fleet::dead_letter::replay::LEASE;
use fleet::message::{BODY_BYTES_MAX, EventKey};
use fleet::queue::Sqs;
use fleet::service::config::Env;
use fleet::store::{EVENTS_KEPT, PostgresStore, Store as _};
use jiff::Timestamp;

use self::diff::{Paint, diff};
use self::draft::{Draft, Edited};
use self::editor::Editor;
use self::letter::Letter;
use super::target::Target;
use crate::app::App;
use crate::cli::edit::{Edit, Setting};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::prompt::{self, Consent};
use crate::{database, json_path, json_text, output, settings};

/// Where the change comes from.
enum Hand<'a> {
    Editor(Editor),
    Settings(&'a [Setting]),
    Body(String),
}

/// Edits one dead letter.
pub(crate) async fn edit(app: &App, args: &Edit, env: &dyn Env) -> Result<(), Exit> {
    let hand = Hand::of(args, env)?;
    let interrupt = Interrupt::listen()?;
    let store = database::beside_work(&settings::database(env)?)?;
    database::check_runtime(&store, app).await?;
    let sqs = Sqs::connect().await;
    let target = Target::find(app, env, &sqs, &args.queue.name).await?;
    let letter = Letter::find(&target, &sqs, args, &interrupt).await?;
    let recipient = letter.recipient(&target)?;
    let Some(edited) = change(&letter, &hand, recipient.consumer, &interrupt).await? else {
        output::note("nothing was changed, and nothing was sent");
        return Ok(());
    };
    let edited = match args.as_new {
        true => edited.renewed().map_err(Exit::refused)?,
        false => edited,
    };
    check_age(&letter, args)?;
    check_not_done(&store, recipient.consumer.name(), &edited.key, args, app).await?;
    show(&letter, &edited, recipient.consumer.name(), Paint::of(env))?;
    if args.dry_run {
        return Ok(());
    }
    let consent = Consent::of_flag(&args.yes);
    prompt::confirm(consent, "Send it?", &interrupt).await?;
    let way = send::Way {
        target: &target,
        sqs: &sqs,
        journal: &store,
        recipient,
        env,
        lease: args.lease.unwrap_or(LEASE),
    };
    way.send(&letter, edited, &interrupt).await
}

impl<'a> Hand<'a> {
    /// Finds out where the change comes from, before anything is received.
    fn of(args: &'a Edit, env: &dyn Env) -> Result<Self, Exit> {
        match (&args.body, args.settings.as_slice()) {
            (Some(file), _) => Ok(Self::Body(read(file)?)),
            (None, []) => Editor::find(env).map(Self::Editor),
            (None, settings) => Ok(Self::Settings(settings)),
        }
    }
}

fn read(file: &Path) -> Result<String, Exit> {
    let why = || format!("{} cannot be read", file.display());
    let source: Box<dyn std::io::Read> = match file == Path::new("-") {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(std::fs::File::open(file).with_context(why)?),
    };
    let mut body = String::new();
    let limit = BODY_BYTES_MAX as u64 + 1;
    source
        .take(limit)
        .read_to_string(&mut body)
        .with_context(why)?;
    match body.len() > BODY_BYTES_MAX {
        true => Err(Exit::refused(format!(
            "{} has more than the {BODY_BYTES_MAX} bytes that SQS takes",
            file.display()
        ))),
        false => Ok(body),
    }
}

/// Makes the change; `None` when somebody looked at it and left it as it was.
async fn change(
    letter: &Letter,
    hand: &Hand<'_>,
    consumer: &fleet::Consumer,
    interrupt: &Interrupt,
) -> Result<Option<Edited>, Exit> {
    let (message, death) = (&letter.message, &letter.death);
    let draft = match hand {
        Hand::Body(_) => Draft::of_body(message, death),
        Hand::Editor(_) | Hand::Settings(_) => Draft::of_data(message, death)?,
    };
    let finish = |text: &str| draft.finish(text, consumer);
    let text = match hand {
        Hand::Editor(editor) => return by_hand(editor, &draft, finish, interrupt).await,
        Hand::Body(body) => body.clone(),
        Hand::Settings(settings) => {
            let mut text = draft.text().to_owned();
            for Setting { path, value } in *settings {
                text = json_path::set(&text, path, value).map_err(Exit::refused)?;
            }
            text
        }
    };
    finish(&text).map(Some).map_err(Exit::refused)
}

/// Lets somebody edit until it is right, or left.
async fn by_hand(
    editor: &Editor,
    draft: &Draft<'_>,
    finish: impl Fn(&str) -> Result<Edited, String>,
    interrupt: &Interrupt,
) -> Result<Option<Edited>, Exit> {
    let (mut shown, suffix) = match json_text::pretty(draft.text()) {
        Some(pretty) => (pretty + "\n", ".json"),
        None => (draft.text().to_owned(), ".txt"),
    };
    let plain = |text: &str| json_text::compact(text).unwrap_or_else(|| text.to_owned());
    loop {
        let text = editor.edit(&shown, suffix).await?;
        if interrupt.is_requested() {
            return Err(Exit::Interrupted(anyhow!("interrupted; nothing was done")));
        }
        if plain(&text) == plain(draft.text()) {
            return Ok(None);
        }
        match finish(&plain(&text)) {
            Ok(edited) => return Ok(Some(edited)),
            Err(problem) => output::note(&output::escape(problem)),
        }
        prompt::confirm(Consent::Asked, "Edit it again?", interrupt).await?;
        shown = text;
    }
}

/// Refuses an event that is so old that nobody can tell whether it is done.
fn check_age(letter: &Letter, args: &Edit) -> Result<(), Exit> {
    let first_sent_at = letter.death.first_sent_at;
    let oldest = Timestamp::now().checked_sub(EVENTS_KEPT);
    match args.as_new || oldest.is_ok_and(|oldest| first_sent_at >= oldest) {
        true => Ok(()),
        false => Err(Exit::refused(format!(
            "the event was first sent at {first_sent_at:.0}, which is longer ago than the inbox \
             remembers: it may be done already; --as-new makes a new event of it"
        ))),
    }
}

/// Refuses an event that is done: sent once more, it would only be dropped.
async fn check_not_done(
    store: &PostgresStore,
    consumer: &str,
    key: &EventKey,
    args: &Edit,
    app: &App,
) -> Result<(), Exit> {
    let known = store.history(consumer, "", 1, key);
    let known = known.await.context("the database cannot be asked")?;
    if !known.processed {
        return Ok(());
    }
    let id = &key.id;
    Err(Exit::refused(match args.as_new {
        true => format!("this very edit was made before: {consumer} has done event {id}"),
        false => format!(
            "{consumer} has done event {id} already; `{} dlq replay {} --id {}` takes its dead \
             letter away, and --as-new makes a new event of it",
            app.name, args.queue.name, args.id
        ),
    }))
}

/// Shows what changes, and says what is about to be done.
fn show(letter: &Letter, edited: &Edited, consumer: &str, paint: Paint) -> Result<(), Exit> {
    let changes = diff(&letter.message.body, &edited.body, paint);
    if changes.is_empty() && edited.key == letter.death.key {
        return Err(Exit::refused(
            "that changes nothing; `dlq replay --id` sends it as it is",
        ));
    }
    if !changes.is_empty() {
        output::data(&changes).context("cannot write")?;
    }
    let letters = match letter.copies.len() {
        1 => "its dead letter".to_owned(),
        count => format!("its {count} copies"),
    };
    let EventKey { source, id } = &edited.key;
    output::note(&output::escape(format!(
        "event {id} of {source} goes to {consumer} in place of {letters}"
    )));
    Ok(())
}
