//! What the catalogue says of an alert, for whoever tells people of it.

use super::Catalogue;
use crate::model::Links;

/// The words of one alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words<'a> {
    /// One static sentence.
    pub summary: &'a str,
    /// What is lost or endangered, in Markdown.
    pub impact: &'a str,
    /// What to do, each step in Markdown with the commands to copy.
    pub steps: Vec<(&'a str, Option<&'a str>)>,
    /// Where the runbook is; `None` where no link is configured.
    pub runbook: Option<String>,
}

/// The words of the alert with this id.
pub fn words<'a>(catalogue: &'a Catalogue, id: &str, links: &Links) -> Option<Words<'a>> {
    let entry = catalogue.entry(id)?;
    Some(Words {
        summary: &entry.summary,
        impact: entry.impact.trim(),
        steps: entry.what_to_do.iter().map(|step| (step.step.trim(), step.run.as_deref())).collect(),
        runbook: (!links.runbook.is_empty()).then(|| links.runbook.replace("{id}", id)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::embedded;

    #[test]
    fn every_alert_has_words() {
        let catalogue = embedded().unwrap();
        let links = Links { runbook: "https://r/{id}".to_owned(), ..Links::default() };
        for entry in catalogue.entries() {
            let words = words(catalogue, &entry.id, &links).unwrap();
            assert!(!words.impact.is_empty() && !words.steps.is_empty(), "{}", entry.id);
            assert_eq!(words.runbook, Some(format!("https://r/{}", entry.id)));
        }
        assert_eq!(words(catalogue, "upload_lag", &Links::default()).unwrap().runbook, None);
        assert_eq!(words(catalogue, "nothing", &links), None);
    }
}
