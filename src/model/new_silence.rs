//! A silence as somebody asks for it, before it is one.

use super::{DAY_MS, Labels, Selector, Silence, TimestampMs};

/// No silence lasts longer, in ms: what is silent for years is forgotten. One that has to can stand in the configuration.
const LONGEST_MS: i64 = 366 * DAY_MS;

/// Bytes of an author, and of a comment.
const MAX_TEXT: usize = 1_000;

/// When a silence ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceEnd {
    /// At this moment.
    At(TimestampMs),
    /// So many ms after it starts.
    After(i64),
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSilence {
    /// PromQL matchers.
    pub matchers: String,
    /// From when on; `None` = at once.
    pub starts: Option<TimestampMs>,
    /// Until when.
    pub ends: SilenceEnd,
    /// Who.
    pub author: String,
    /// Why.
    pub comment: String,
}

/// What is wrong with it: the name of the part, and what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SilenceMistake {
    /// `match`, `starts`, `ends`, `duration`, `author` or `comment`.
    pub part: &'static str,
    /// What was expected.
    pub expected: &'static str,
}

impl NewSilence {
    /// The silence, as of now; or what is wrong with it.
    pub fn accept(&self, id: String, now: TimestampMs) -> Result<Silence, SilenceMistake> {
        let wrong = |part, expected| Err(SilenceMistake { part, expected });
        let selector = match Selector::parse(&self.matchers) {
            Ok(selector) => selector,
            Err(expected) => return wrong("match", expected),
        };
        if selector.matches(&Labels::default()) {
            return wrong(
                "match",
                "expected at least one matcher that demands something, such as bucket=\"thanos\"; everything is \
                 alertname=~\".+\"",
            );
        }
        let starts = self.starts.unwrap_or(now);
        let (part, ends) = match self.ends {
            SilenceEnd::At(time) => ("ends", time),
            SilenceEnd::After(ms) => ("duration", starts.plus(ms)),
        };
        if ends <= starts {
            return wrong(part, "expected an end after the start");
        }
        if ends <= now {
            return wrong(part, "expected an end that is not past");
        }
        if ends.since(starts) > LONGEST_MS {
            return wrong(part, "expected at most a year; what is to last longer belongs into the configuration");
        }
        if self.author.trim().is_empty() || self.author.len() > MAX_TEXT || self.author.contains(char::is_control) {
            return wrong("author", "expected a short name of who asks for it");
        }
        if self.comment.trim().is_empty() || self.comment.len() > MAX_TEXT || self.comment.contains(char::is_control) {
            return wrong("comment", "expected one short line that says why");
        }
        Ok(Silence {
            id,
            matchers: selector.text,
            starts,
            ends,
            author: self.author.clone(),
            comment: self.comment.clone(),
            created: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HOUR_MS;

    #[test]
    fn what_is_asked_for_is_accepted_or_refused_by_its_part() {
        let now = TimestampMs(1_000 * HOUR_MS);
        let good = NewSilence {
            matchers: " {bucket=\"x\"} ".to_owned(),
            starts: None,
            ends: SilenceEnd::After(HOUR_MS),
            author: "ada".to_owned(),
            comment: "moving".to_owned(),
        };
        let silence = good.accept("id".to_owned(), now).unwrap();
        assert_eq!(
            (silence.matchers.as_str(), silence.starts, silence.ends),
            ("{bucket=\"x\"}", now, now.plus(HOUR_MS))
        );
        assert_eq!((silence.id.as_str(), silence.created), ("id", now));

        let later = NewSilence { starts: Some(now.plus(HOUR_MS)), ..good.clone() };
        assert_eq!(later.accept(String::new(), now).unwrap().ends, now.plus(2 * HOUR_MS));
        let long = "x".repeat(1_001);
        for (asked, part) in [
            (NewSilence { matchers: "bucket=x".to_owned(), ..good.clone() }, "match"),
            (NewSilence { matchers: "{}".to_owned(), ..good.clone() }, "match"),
            (NewSilence { matchers: "{a!=\"b\"}".to_owned(), ..good.clone() }, "match"),
            (NewSilence { ends: SilenceEnd::After(0), ..good.clone() }, "duration"),
            (NewSilence { ends: SilenceEnd::After(i64::MAX), ..good.clone() }, "duration"),
            (NewSilence { ends: SilenceEnd::At(now), ..good.clone() }, "ends"),
            (
                NewSilence {
                    starts: Some(now.minus(2 * HOUR_MS)),
                    ends: SilenceEnd::At(now.minus(HOUR_MS)),
                    ..good.clone()
                },
                "ends",
            ),
            (NewSilence { ends: SilenceEnd::At(now.plus(400 * DAY_MS)), ..good.clone() }, "ends"),
            (NewSilence { author: " ".to_owned(), ..good.clone() }, "author"),
            (NewSilence { author: long.clone(), ..good.clone() }, "author"),
            (NewSilence { comment: String::new(), ..good.clone() }, "comment"),
            (NewSilence { comment: "a\nb".to_owned(), ..good.clone() }, "comment"),
            (NewSilence { comment: long, ..good }, "comment"),
        ] {
            let mistake = asked.accept(String::new(), now).unwrap_err();
            assert_eq!(mistake.part, part, "{asked:?}");
        }
    }
}
