//! A plan as a person reads it.

use super::Plan;
use crate::output;

impl Plan {
    /// Lays it out.
    pub(in crate::command::dlq::replay) fn text(&self) -> String {
        let facts = self.facts().into_iter();
        let facts = facts.map(|(name, text)| vec![name.to_owned(), text]);
        let mut text = output::table(&["", ""], facts.collect());
        if !self.kinds.is_empty() {
            let dash = || "-".to_owned();
            let kinds = self.kinds.iter().map(|kind| {
                vec![
                    kind.class.to_owned(),
                    kind.event_type.clone().unwrap_or_else(dash),
                    kind.messages.to_string(),
                    kind.reason.clone(),
                ]
            });
            text.push('\n');
            let headings = ["CLASS", "TYPE", "MESSAGES", "REASON"];
            text += &output::table(&headings, kinds.collect());
        }
        if self.others > 0 {
            text += &format!("and {} of other kinds\n", self.others);
        }
        text.trim_start_matches('\n').to_owned()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let about = match self.is_exact() {
            true => String::new(),
            false => "about ".to_owned(),
        };
        let whose = match &self.consumer {
            Some(consumer) => format!("{}, the queue of consumer {consumer}", self.destination),
            None => format!(
                "{}, which is not the fleet's: it gets the originals, and after a crash \
                 perhaps one twice",
                self.destination
            ),
        };
        let mut facts = vec![("from", self.queue.clone()), ("to", whose)];
        if let Some(id) = self.resumes {
            facts.push(("goes on with", format!("replay {id}")));
        }
        facts.push((
            "messages",
            format!("{about}{}, dead before {:.0}", self.messages, self.cut_at),
        ));
        let copies = self.messages.saturating_sub(self.events);
        let copies = match copies {
            0 => String::new(),
            1 => "; a copy of one of them is not sent again".to_owned(),
            copies => format!("; {copies} copies of these are not sent again"),
        };
        facts.push(("events", format!("{}{copies}", self.events)));
        if self.already_done > 0 {
            let done = format!("{}, which will be dropped", self.already_done);
            facts.push(("already done", done));
        }
        if self.too_old > 0 {
            let old = format!("{}, older than it is known what is done", self.too_old);
            facts.push(("too old", old));
        }
        if self.without_history > 0 {
            let ids = self.without_history_ids.join(", ");
            let text = format!(
                "{} so large that they go without their history: {ids}",
                self.without_history
            );
            facts.push(("restored bare", text));
        }
        if self.elsewhere > 0 {
            let text = match self.is_fifo {
                true => "that wait behind others of their groups, or are in flight",
                false => "in flight: somebody else looks at them, or replays them",
            };
            facts.push(("beside", format!("about {} {text}", self.elsewhere)));
        }
        facts.push(("pace", self.pace()));
        if let Some(canary) = self.canary {
            let text = format!(
                "{canary} first; when all are done within {} s, the rest follows",
                self.canary_timeout_secs
            );
            facts.push(("canary", text));
        }
        facts.extend(self.running.iter().map(|one| {
            let text = format!(
                "replay {} by {} since {:.0} has not ended: it runs, or it was killed; --resume \
                 {} goes on with it",
                one.id, one.who, one.started_at, one.id
            );
            ("beside", text)
        }));
        facts
    }

    fn pace(&self) -> String {
        let limit = self.max.map(|max| format!(", at most {max}"));
        let pace = match (self.rate, self.eta_secs) {
            (Some(rate), Some(secs)) => format!("{rate} a second, about {secs} s"),
            _ => "as fast as SQS takes them".to_owned(),
        };
        pace + &limit.unwrap_or_default()
    }
}
