//! Slack's form: Block Kit. Whatever comes from outside is escaped, so that it can neither mention anybody nor be a
//! link, and everything is within the sizes that Slack takes.

use std::collections::HashMap;

use slack_morphism::prelude::{
    SlackActionBlockElement, SlackActionsBlock, SlackBlock, SlackBlockButtonElement, SlackBlockMarkDownText,
    SlackBlockPlainText, SlackContextBlock, SlackContextBlockElement, SlackDividerBlock, SlackHeaderBlock,
    SlackMessageAttachment, SlackMessageContent, SlackMessageMetadata, SlackSectionBlock,
};
use url::Url;

use super::when::count;
use super::{Span, Story, Text, Tone};
use crate::model::OutboxRow;

/// Of all texts of a message together, in characters. Slack does not say how much it takes; others saw 9,600 pass and
/// 11,300 refused as `msg_blocks_too_long`.
const LONGEST: usize = 8_000;
/// Of a header.
const LONGEST_HEADER: usize = 150;
/// Of one section.
const LONGEST_SECTION: usize = 2_900;
/// Of a link.
const LONGEST_LINK: usize = 2_900;
/// Alerts in the list.
const MOST_ITEMS: usize = 20;

/// What a message says in each of its places; kept apart so that each gets room by its weight and not by its place.
#[derive(Debug, Default)]
struct Parts {
    header: String,
    summary: String,
    notes: String,
    what: String,
    facts: String,
    items: Vec<String>,
    to_do: Vec<String>,
    impact: String,
    evidence: String,
    silence: String,
    footer: String,
}

/// The colour of a bar at the side, as `#rrggbb`; white can be read on each.
pub(crate) const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "#c8102e",
        Tone::Warning => "#b45f06",
        Tone::Info => "#2b6cb0",
        Tone::Good => "#217a3c",
        Tone::Neutral => "#5f6b7a",
        Tone::Lost => "#6b2fa0",
    }
}

/// The whole story. `plain`: as text alone.
pub(crate) fn message(story: &Story, row: &OutboxRow) -> SlackMessageContent {
    if row.plain {
        return SlackMessageContent::new()
            .with_text(escaped(&super::minimal(story), LONGEST_SECTION))
            .with_metadata(metadata(row));
    }
    let parts = parts(story);
    let mut blocks: Vec<SlackBlock> = Vec::new();
    blocks.extend([&parts.notes, &parts.what, &parts.facts].into_iter().filter_map(|text| section(text)));
    blocks.extend(parts.items.iter().filter_map(|text| section(text)));
    blocks.extend(parts.to_do.iter().chain([&parts.impact]).filter_map(|text| section(text)));
    blocks.extend(context(&parts.evidence));
    blocks.extend(buttons(story));
    blocks.extend(section(&parts.silence));
    if !blocks.is_empty() {
        blocks.push(SlackDividerBlock::new().into());
    }
    blocks.extend(context(&parts.footer));
    // where there are blocks the text is only for notifications on a screen
    SlackMessageContent::new()
        .with_text(parts.summary)
        .with_blocks(vec![header(&parts.header)])
        .with_attachments(vec![
            SlackMessageAttachment::new().with_color(colour(story.tone).to_owned()).with_blocks(blocks),
        ])
        .with_metadata(metadata(row))
}

/// What a reply in the incident's thread says: what is new.
pub(crate) fn reply(story: &Story, row: &OutboxRow) -> SlackMessageContent {
    let mut room = Room(LONGEST);
    let summary = room.take(&story.title(), 300);
    let mut lines = vec![format!("*{}*", room.take(&story.title(), 400)), room.take(&story.reason, 400)];
    lines.extend(story.notes.iter().map(|note| room.spans(note, 500)));
    if matches!(story.tone, Tone::Good | Tone::Neutral | Tone::Lost) {
        lines.extend(story.what.first().map(|what| room.spans(what, 700)));
    }
    lines.extend(story.changes.iter().map(|change| format!("• {}", room.spans(change, 400))));
    if row.plain {
        return SlackMessageContent::new().with_text(lines.join("\n")).with_metadata(metadata(row));
    }
    let blocks: Vec<SlackBlock> = pages(lines).iter().filter_map(|text| section(text)).collect();
    SlackMessageContent::new()
        .with_text(summary)
        .with_attachments(vec![
            SlackMessageAttachment::new().with_color(colour(story.tone).to_owned()).with_blocks(blocks),
        ])
        .with_metadata(metadata(row))
}

/// Taken in the order of their weight: what does not fit any more is the least important.
fn parts(story: &Story) -> Parts {
    let mut room = Room(LONGEST);
    let header = room.take(&story.title(), LONGEST_HEADER);
    let first = story.what.first().map(Text::flat).unwrap_or_default();
    let summary = room.take(&format!("{}: {first}", story.title()), 300);
    let notes: Vec<String> =
        story.notes.iter().map(|note| format!("*{}*", room.spans(note, 500).replace('*', "∗"))).collect();
    let what: Vec<String> = story.what.iter().map(|what| room.spans(what, 1_200)).collect();
    let facts: Vec<String> =
        story.facts.iter().map(|(name, value)| format!("*{name}:* {}", room.spans(value, 500))).collect();
    let footer = format!("{}  |  {}", room.take(&story.reason, 250), room.take(&story.footer.join("  |  "), 250));
    room.spend(40);
    let silence = story.silence.as_deref().map(|command| room.block(command, 600)).unwrap_or_default();
    let silence = if silence.is_empty() { silence } else { format!("Silence it for 2 h:\n{silence}") };
    let remedy = story.remedy.as_ref().map(|remedy| room.spans(remedy, 900));
    let items = items(story, &mut room);
    let to_do = to_do(story, remedy, &mut room);
    let impact = story.impact.as_ref().map(|impact| room.spans(impact, 700)).unwrap_or_default();
    let impact = if impact.is_empty() { impact } else { format!("*What is at risk:* {impact}") };
    let evidence: Vec<String> = story
        .evidence
        .iter()
        .map(|(name, value)| format!("{} {}", room.take(name, 60), room.spans(&Text::code(value), 170)))
        .collect();
    Parts {
        header,
        summary,
        notes: notes.join("\n"),
        what: what.join("\n"),
        facts: facts.join("\n"),
        items,
        to_do,
        impact,
        evidence: if evidence.is_empty() { String::new() } else { format!("Evidence: {}", evidence.join("  |  ")) },
        silence,
        footer,
    }
}

fn items(story: &Story, room: &mut Room) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = story.more;
    for (idx, item) in story.items.iter().enumerate() {
        // something has to stay for what to do
        if idx >= MOST_ITEMS || room.0 < 1_800 {
            left = left.saturating_add(u64::try_from(story.items.len().saturating_sub(idx)).unwrap_or(u64::MAX));
            break;
        }
        let mark = room.take(&item.mark, 20);
        let text = room.spans(&item.text, 380);
        lines.push(format!("• *{mark}* {text}\n    _{}_", room.take(&item.times, 200).replace('_', " ")));
    }
    if left > 0 {
        room.spend(60);
        let page = story.links.iter().find(|(name, _)| *name == "Blockwarden").map(|(_, link)| link);
        let more = format!("and {}", count(left, "more alert"));
        lines.push(match page.filter(|link| link.len() < 300) {
            Some(link) => {
                room.spend(link.chars().count());
                format!("<{}|{more}>", escaped(&link.replace('|', "%7C"), 1_000))
            }
            None => more,
        });
    }
    pages(lines)
}

fn to_do(story: &Story, remedy: Option<String>, room: &mut Room) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(remedy);
    for (idx, step) in story.steps.iter().enumerate() {
        if room.0 < 500 {
            break;
        }
        let text = room.spans(&step.text, 450);
        let run = step.run.as_deref().map(|run| room.block(run, 450)).unwrap_or_default();
        lines.push(format!("{}. {text}{}{run}", idx.saturating_add(1), if run.is_empty() { "" } else { "\n" }));
    }
    if let Some(first) = lines.first_mut() {
        *first = format!("*What to do:* {first}");
    }
    pages(lines)
}

/// Lines together in as few sections as they fit in.
fn pages(lines: Vec<String>) -> Vec<String> {
    let mut pages: Vec<String> = Vec::new();
    for line in lines {
        match pages.last_mut() {
            Some(page) if page.chars().count() + line.chars().count() < LONGEST_SECTION => {
                page.push('\n');
                page.push_str(&line);
            }
            _ => pages.push(line),
        }
    }
    pages
}

/// How many characters may still be said.
#[derive(Debug)]
struct Room(usize);

impl Room {
    fn spend(&mut self, characters: usize) {
        self.0 = self.0.saturating_sub(characters);
    }

    /// Prose, escaped, and without the beginning of code.
    fn take(&mut self, text: &str, limit: usize) -> String {
        let text = escaped(&text.replace('`', "'"), limit.min(self.0));
        // what is put around it counts as well
        self.spend(text.chars().count() + 6);
        text
    }

    /// Prose and code, escaped.
    fn spans(&mut self, text: &Text, limit: usize) -> String {
        let limit = limit.min(self.0);
        let mut out = String::new();
        let mut left = limit;
        for span in &text.0 {
            let piece = match span {
                Span::Plain(text) => escaped(text, left),
                Span::Code(text) => match escaped(text, left.saturating_sub(2)) {
                    code if code.trim().is_empty() => String::new(),
                    code => format!("`{}`", code.trim()),
                },
            };
            left = left.saturating_sub(piece.chars().count());
            out.push_str(&piece);
            if left < 3 {
                break;
            }
        }
        self.spend(out.chars().count() + 12);
        out
    }

    /// Lines to be copied: whole or not at all, since half a command does harm.
    fn block(&mut self, text: &str, limit: usize) -> String {
        let whole = escaped(text, usize::MAX);
        let length = whole.chars().count() + 8;
        if text.contains("```") || length > limit.min(self.0) {
            return String::new();
        }
        self.spend(length);
        format!("```{whole}```")
    }
}

/// Slack's three escapes; at most `limit` characters, none of them half an escape.
fn escaped(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut length = 0_usize;
    for c in text.chars() {
        let mut own = [0; 4];
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => c.encode_utf8(&mut own),
        };
        let next = length.saturating_add(piece.chars().count());
        if next > limit {
            while length >= limit && length > 0 {
                let last = out
                    .rfind('&')
                    .filter(|at| out.get(*at..).is_some_and(|tail| tail.ends_with(';') && tail.len() <= 5));
                match last {
                    Some(at) => out.truncate(at),
                    None => drop(out.pop()),
                }
                length = out.chars().count();
            }
            if limit > 0 {
                out.push('…');
            }
            return out;
        }
        out.push_str(piece);
        length = next;
    }
    out
}

fn header(text: &str) -> SlackBlock {
    let text = SlackBlockPlainText::new(text.to_owned()).with_emoji(false);
    SlackHeaderBlock::new(text.into()).into()
}

fn section(text: &str) -> Option<SlackBlock> {
    if text.trim().is_empty() {
        return None;
    }
    // verbatim: what looks like a link or a channel in a label is none
    let text = SlackBlockMarkDownText::new(text.to_owned()).with_verbatim(true);
    Some(SlackSectionBlock::new().with_text(text.into()).into())
}

fn context(text: &str) -> Option<SlackBlock> {
    if text.trim().is_empty() {
        return None;
    }
    let text = SlackBlockMarkDownText::new(text.to_owned()).with_verbatim(true);
    Some(SlackContextBlock::new(vec![SlackContextBlockElement::MarkDown(text)]).into())
}

fn buttons(story: &Story) -> Option<SlackBlock> {
    let mut buttons = Vec::new();
    for (name, link) in &story.links {
        let url = Url::parse(link).ok().filter(|url| url.as_str().len() <= LONGEST_LINK);
        if let Some(url) = url {
            let label = SlackBlockPlainText::new((*name).to_owned());
            let id = format!("open_{}", name.to_lowercase());
            let button = SlackBlockButtonElement::new(label.into()).with_action_id(id.into()).with_url(url);
            buttons.push(SlackActionBlockElement::Button(button));
        }
    }
    (!buttons.is_empty()).then(|| SlackActionsBlock::new(buttons).into())
}

/// By which a message can be found again.
fn metadata(row: &OutboxRow) -> SlackMessageMetadata {
    let payload = HashMap::from([
        ("dedup_id".to_owned(), row.id.clone()),
        ("incident".to_owned(), row.notification.incident.clone()),
    ]);
    SlackMessageMetadata::new("blockwarden_notification".to_owned()).with_event_payload(payload)
}
