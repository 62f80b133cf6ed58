//! Text alone: the text part of a mail, and what is sent where nothing else is accepted.

use super::text::{Text, cut};
use super::when::count;
use super::{Item, Story};

/// Of a line, in characters; what has no spaces may be longer.
const WIDTH: usize = 78;
/// Of [`minimal`], in characters.
const LONGEST_MINIMAL: usize = 2_500;

/// The whole story.
pub(crate) fn plain(story: &Story) -> String {
    let mut out = String::new();
    paragraph(&mut out, &story.title());
    for note in &story.notes {
        paragraph(&mut out, &format!("** {}", note.flat()));
    }
    for text in &story.what {
        paragraph(&mut out, &text.marked());
    }
    for (name, value) in &story.facts {
        line(&mut out, &format!("{name}: "), &value.flat(), "  ");
    }
    if !story.facts.is_empty() {
        out.push('\n');
    }
    items(&mut out, &story.items, story.more);
    if let Some(impact) = &story.impact {
        heading(&mut out, "What is at risk");
        paragraph(&mut out, &impact.marked());
    }
    if story.remedy.is_some() || !story.steps.is_empty() {
        heading(&mut out, "What to do");
    }
    if let Some(remedy) = &story.remedy {
        paragraph(&mut out, &remedy.marked());
    }
    for (idx, step) in story.steps.iter().enumerate() {
        line(&mut out, &format!("{}. ", idx + 1), &step.text.marked(), "   ");
        for command in step.run.iter().flat_map(|run| run.lines()) {
            push(&mut out, &format!("       {command}\n"));
        }
    }
    if !story.steps.is_empty() {
        out.push('\n');
    }
    if !story.evidence.is_empty() {
        heading(&mut out, "Evidence");
        for (name, value) in &story.evidence {
            line(&mut out, &format!("{name}: "), value, "  ");
        }
        out.push('\n');
    }
    for (name, link) in &story.links {
        push(&mut out, &format!("{name}: {link}\n"));
    }
    if let Some(silence) = &story.silence {
        push(&mut out, &format!("\nSilence it for 2 h:\n  {silence}\n"));
    }
    out.push_str("\n-- \n");
    line(&mut out, "", &story.reason, "");
    line(&mut out, "", &story.footer.join(", "), "");
    out
}

/// The least that is worth sending: short, and without any form.
pub(crate) fn minimal(story: &Story) -> String {
    let mut lines = vec![story.title()];
    lines.extend(story.notes.iter().map(Text::flat));
    lines.extend(story.what.iter().map(Text::flat));
    lines.extend(story.facts.iter().map(|(name, value)| format!("{name}: {}", value.flat())));
    lines.extend(story.items.iter().map(|item| format!("- {}: {}", item.mark, item.text.flat())));
    if story.more > 0 {
        lines.push(format!("and {} more", story.more));
    }
    lines.extend(story.remedy.iter().map(|remedy| format!("What to do: {}", remedy.flat())));
    lines.push(story.reason.clone());
    lines.extend(story.links.iter().map(|(name, link)| format!("{name}: {link}")));
    cut(&lines.join("\n"), LONGEST_MINIMAL)
}

fn push(out: &mut String, text: &str) {
    out.push_str(text);
}

fn items(out: &mut String, items: &[Item], more: u64) {
    for item in items {
        line(out, "- ", &format!("{}: {}", item.mark, item.text.marked()), "  ");
        if !item.times.is_empty() {
            line(out, "  ", &item.times, "  ");
        }
    }
    if more > 0 {
        push(out, &format!("- and {}\n", count(more, "more alert")));
    }
    if !items.is_empty() {
        out.push('\n');
    }
}

fn heading(out: &mut String, text: &str) {
    out.push_str(&text.to_uppercase());
    out.push_str("\n\n");
}

fn paragraph(out: &mut String, text: &str) {
    line(out, "", text, "");
    out.push('\n');
}

/// `lead` and `text`, broken at spaces; lines after the first begin with `indent`.
fn line(out: &mut String, lead: &str, text: &str, indent: &str) {
    let mut width = lead.chars().count();
    out.push_str(lead);
    let mut is_first = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !is_first && width + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(indent);
            width = indent.chars().count();
        } else if !is_first {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
        is_first = false;
    }
    out.push('\n');
}
