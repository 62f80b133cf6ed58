//! What a notification says, for people: first a [`Story`], the same for every kind of receiver, then its forms.
//! Pure: the same notification at the same time gives the same bytes.

mod alert;
mod digest;
mod html;
mod links;
mod plain;
mod slack;
mod story;
mod text;
mod when;
mod words;

pub(crate) use html::html;
pub(crate) use links::{dashboard, page, runbook};
pub(crate) use plain::{minimal, plain};
pub(crate) use slack::{colour, message as slack_message, reply as slack_reply};
pub(crate) use story::{Teller, story};
pub(crate) use text::{Span, Text, clean, cut};

/// How it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It fires.
    Critical,
    /// It fires.
    Warning,
    /// It fires, or it is a test.
    Info,
    /// It is over, and healed.
    Good,
    /// It is over, and nobody saw it healed.
    Neutral,
    /// It is over, and data is gone.
    Lost,
}

/// What is said, most important first. All text is fit to be shown but for the escapes of its form.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// How it is looked at.
    pub(crate) tone: Tone,
    /// `CRITICAL`, `RESOLVED`, …
    pub(crate) state: String,
    /// What it is about: the same for all messages of an incident.
    pub(crate) about: String,
    /// Alerts that fire; those that are over, where none does.
    pub(crate) count: u64,
    /// What has to be known before anything else: a test, a repeat, something that cannot be seen.
    pub(crate) notes: Vec<Text>,
    /// What is wrong.
    pub(crate) what: Vec<Text>,
    /// Where, since when, until when.
    pub(crate) facts: Vec<(&'static str, Text)>,
    /// What is lost if nobody acts.
    pub(crate) impact: Option<Text>,
    /// The finding's own way out.
    pub(crate) remedy: Option<Text>,
    /// The first of the catalogue's steps.
    pub(crate) steps: Vec<StepText>,
    /// One line each, where there are several.
    pub(crate) items: Vec<Item>,
    /// How many are not in `items`.
    pub(crate) more: u64,
    /// What the judgement rests on.
    pub(crate) evidence: Vec<(String, String)>,
    /// Where more can be seen.
    pub(crate) links: Vec<(&'static str, String)>,
    /// To be copied.
    pub(crate) silence: Option<String>,
    /// What is new, one line each: what a reply in a thread says.
    pub(crate) changes: Vec<Text>,
    /// Why this message was sent, in one sentence.
    pub(crate) reason: String,
    /// For whoever looks into how it came here.
    pub(crate) footer: Vec<String>,
}

/// One step of the way out.
#[derive(Clone, Debug)]
pub(crate) struct StepText {
    /// What to do.
    pub(crate) text: Text,
    /// To be copied.
    pub(crate) run: Option<String>,
}

/// One of several alerts.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// `critical`, `resolved`, …
    pub(crate) mark: String,
    /// How it is looked at.
    pub(crate) tone: Tone,
    /// What is wrong, and where.
    pub(crate) text: Text,
    /// Since when, until when.
    pub(crate) times: String,
}

impl Story {
    /// State, number and what it is about, on one line.
    pub(crate) fn title(&self) -> String {
        match self.count {
            0 | 1 => format!("{}: {}", self.state, self.about),
            count => format!("{} ×{count}: {}", self.state, self.about),
        }
    }
}
