//! The HTML part of a mail. Inline styles only, nothing is loaded, nothing is lost without styles, and no colour is
//! given to text or ground but where both are, so that a dark reader stays readable.

use super::when::count;
use super::{Item, Span, Story, Text, colour};

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const MONO: &str = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px";
/// Grey that stands on white and on black.
const QUIET: &str = "color:#7a7a7a";
const RULE: &str = "border-bottom:1px solid #9a9a9a55";

/// The whole story as one document.
pub(crate) fn html(story: &Story) -> String {
    let colour = colour(story.tone);
    let mut body = format!(
        "<h1 style=\"margin:0 0 12px;padding:8px 12px;font-size:18px;line-height:1.35;background:{colour};color:#ffffff;\
         border-radius:4px;overflow-wrap:anywhere\">{}</h1>\n",
        escaped(&story.title())
    );
    for note in &story.notes {
        push(
            &mut body,
            &format!(
                "<p style=\"margin:0 0 12px;padding:6px 12px;border-left:4px solid #e8a200\"><strong>{}</strong></p>\n",
                spans(note)
            ),
        );
    }
    for text in &story.what {
        push(&mut body, &format!("<p style=\"margin:0 0 12px;font-size:16px\">{}</p>\n", spans(text)));
    }
    facts(&mut body, story);
    items(&mut body, &story.items, story.more);
    if let Some(impact) = &story.impact {
        push(&mut body, &heading("What is at risk"));
        push(&mut body, &format!("<p style=\"margin:0 0 12px\">{}</p>\n", spans(impact)));
    }
    what_to_do(&mut body, story);
    if !story.evidence.is_empty() {
        push(&mut body, &heading("Evidence"));
        let rows = story.evidence.iter().map(|(name, value)| row(&escaped(name), &escaped(value)));
        push(&mut body, &table(&rows.collect::<String>()));
    }
    links(&mut body, story);
    if let Some(silence) = &story.silence {
        push(&mut body, &format!("<p style=\"margin:0 0 4px;{QUIET}\">Silence it for 2 h:</p>\n{}", command(silence)));
    }
    push(
        &mut body,
        &format!(
            "<p style=\"margin:16px 0 0;padding-top:8px;border-top:1px solid #9a9a9a55;font-size:13px;{QUIET}\">{}<br>{}</p>\n",
            escaped(&story.reason),
            escaped(&story.footer.join(" · "))
        ),
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"supported-color-schemes\" content=\"light dark\">\n<title>{}</title>\n</head>\n\
         <body style=\"margin:0;padding:12px\">\n\
         <div style=\"max-width:680px;margin:0 auto;{FONT};font-size:15px;line-height:1.5;overflow-wrap:anywhere\">\n\
         {body}</div>\n</body>\n</html>\n",
        escaped(&story.title())
    )
}

fn push(out: &mut String, text: &str) {
    out.push_str(text);
}

fn facts(body: &mut String, story: &Story) {
    if !story.facts.is_empty() {
        let rows = story.facts.iter().map(|(name, value)| row(&escaped(name), &spans(value)));
        push(body, &table(&rows.collect::<String>()));
    }
}

fn items(body: &mut String, items: &[Item], more: u64) {
    if items.is_empty() {
        return;
    }
    push(body, "<ul style=\"margin:0 0 16px;padding:0;list-style:none\">\n");
    for item in items {
        push(
            body,
            &format!(
                "<li style=\"margin:0;padding:6px 0 6px 10px;border-left:4px solid {};{RULE}\"><strong>{}</strong> {}<br>\
             <span style=\"font-size:13px;{QUIET}\">{}</span></li>\n",
                colour(item.tone),
                escaped(&item.mark),
                spans(&item.text),
                escaped(&item.times)
            ),
        );
    }
    if more > 0 {
        push(body, &format!("<li style=\"padding:6px 0 0 14px\">and {}</li>\n", count(more, "more alert")));
    }
    push(body, "</ul>\n");
}

fn what_to_do(body: &mut String, story: &Story) {
    if story.remedy.is_none() && story.steps.is_empty() {
        return;
    }
    push(body, &heading("What to do"));
    if let Some(remedy) = &story.remedy {
        push(body, &format!("<p style=\"margin:0 0 12px\"><strong>{}</strong></p>\n", spans(remedy)));
    }
    if !story.steps.is_empty() {
        push(body, "<ol style=\"margin:0 0 12px;padding-left:24px\">\n");
        for step in &story.steps {
            let run = step.run.as_deref().map(command).unwrap_or_default();
            push(body, &format!("<li style=\"margin:0 0 8px\">{}{run}</li>\n", spans(&step.text)));
        }
        push(body, "</ol>\n");
    }
}

fn links(body: &mut String, story: &Story) {
    if story.links.is_empty() {
        return;
    }
    let links = story.links.iter().map(|(name, link)| {
        format!("<a href=\"{}\" style=\"margin-right:16px\"><strong>{}</strong></a>", escaped(link), escaped(name))
    });
    push(body, &format!("<p style=\"margin:16px 0\">{}</p>\n", links.collect::<Vec<_>>().join("\n")));
}

fn heading(text: &str) -> String {
    format!("<h2 style=\"margin:16px 0 6px;font-size:15px\">{text}</h2>\n")
}

fn table(rows: &str) -> String {
    format!(
        "<table role=\"presentation\" style=\"border-collapse:collapse;margin:0 0 16px;width:100%\">\n{rows}</table>\n"
    )
}

fn row(name: &str, value: &str) -> String {
    format!(
        "<tr><td style=\"padding:4px 12px 4px 0;vertical-align:top;width:150px;{RULE};{QUIET}\">{name}</td>\
         <td style=\"padding:4px 0;vertical-align:top;{RULE};overflow-wrap:anywhere\">{value}</td></tr>\n"
    )
}

fn command(text: &str) -> String {
    format!(
        "<pre style=\"margin:4px 0 8px;padding:6px 10px;border:1px solid #9a9a9a55;border-radius:4px;{MONO};\
         white-space:pre-wrap;overflow-wrap:anywhere\">{}</pre>\n",
        escaped(text)
    )
}

fn spans(text: &Text) -> String {
    let mut out = String::new();
    for span in &text.0 {
        match span {
            Span::Plain(text) => out.push_str(&escaped(text)),
            Span::Code(text) => push(&mut out, &format!("<code style=\"{MONO}\">{}</code>", escaped(text))),
        }
    }
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
