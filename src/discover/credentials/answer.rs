//! Answers of credential endpoints: what they refuse in words, and the fields of what they give.

use serde::de::DeserializeOwned;

use crate::discover::said::quoted;
use crate::discover::xml::{Step, Steps};

/// What an answer with a bad status says: OAuth's `error` and `error_description`, the `Code` and `Message` of AWS in
/// XML or JSON. Nothing else of a body is repeated, and none of `secrets`.
pub(super) fn refusal(body: &[u8], secrets: &[&str]) -> Option<String> {
    let (code, message) = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(value) => {
            let text = |names: &[&str]| {
                let found = names.iter().find_map(|name| value.get(*name)?.as_str());
                found.map(str::to_owned)
            };
            (text(&["error", "Code", "code"]), text(&["error_description", "Message", "message"]))
        }
        Err(_) => (xml_text(body, "Code"), xml_text(body, "Message")),
    };
    let said: Vec<String> = [code, message].iter().flatten().map(|text| quoted(text, secrets)).collect();
    let said = said.join(": ");
    (!said.trim().is_empty()).then_some(said)
}

/// A JSON answer. The error has the place and not the text: serde's messages quote values.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| not_understood(&error))
}

/// Where JSON stopped making sense.
pub(super) fn not_understood(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a key is missing or has the wrong type",
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
            "this is not JSON"
        }
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// The text of the first element with this local name.
pub(super) fn xml_text(body: &[u8], element: &str) -> Option<String> {
    let mut steps = Steps::new(body);
    while let Some(step) = steps.next().ok()? {
        if let Step::End { name, text } = step
            && name == element.as_bytes()
        {
            return Some(String::from_utf8(text).ok()?.trim().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_every_dialect() {
        for (body, expected) in [
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: wrong secret.\nTrace ID: 1"}"#,
                Some("invalid_client: AADSTS7000215: wrong secret"),
            ),
            (r#"{"Code":"NoRole","Message":"nothing attached"}"#, Some("NoRole: nothing attached")),
            (
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>a &amp; b</Message></Error></ErrorResponse>",
                Some("AccessDenied: a & b"),
            ),
            ("<html>502 Bad Gateway</html>", None),
            ("", None),
            ("{}", None),
            (r#"{"error":{"message":"deep"}}"#, None),
        ] {
            assert_eq!(refusal(body.as_bytes(), &[]).as_deref(), expected, "{body}");
        }
        // also where it would be cut in the middle
        let long = format!(r#"{{"error":"{}"}}"#, "sentinel".repeat(500));
        assert!(!refusal(long.as_bytes(), &["sentinel"]).unwrap().contains("sent"));
    }

    #[test]
    fn what_json_holds_is_not_repeated() {
        for text in [r#"{"n": "sentinel"}"#, r#"sentinel"#, r#"{"sentinel": 1"#] {
            #[derive(serde::Deserialize, Debug)]
            #[expect(dead_code, reason = "only its shape counts")]
            struct Shape {
                n: u64,
            }
            assert!(!json::<Shape>(text.as_bytes()).unwrap_err().contains("sentinel"));
        }
    }
}
