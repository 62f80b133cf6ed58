//! The XML of storages, read without trust: text may be anything, and a document may end early.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

use crate::model::TimestampMs;

/// Elements by their local names, text included.
pub(super) enum Step {
    Start(Vec<u8>),
    End { name: Vec<u8>, text: Vec<u8> },
}

/// Walks a document, gathering the text of leaf elements.
pub(super) struct Steps<'b> {
    reader: Reader<&'b [u8]>,
    text: Vec<u8>,
    depth: usize,
    begun: bool,
    pending_end: Option<Vec<u8>>,
    started: Option<BytesStart<'b>>,
}

impl<'b> Steps<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        let mut reader = Reader::from_reader(body);
        reader.config_mut().trim_text(false);
        Self { reader, text: Vec::new(), depth: 0, begun: false, pending_end: None, started: None }
    }

    /// The error says what is broken, and where.
    pub(super) fn next(&mut self) -> Result<Option<Step>, String> {
        if let Some(name) = self.pending_end.take() {
            return Ok(Some(Step::End { name, text: Vec::new() }));
        }
        loop {
            let at = self.reader.buffer_position();
            match self.reader.read_event() {
                Err(error) => return Err(format!("broken XML at byte {at}: {error}")),
                Ok(Event::Eof) if self.begun && self.depth == 0 => return Ok(None),
                Ok(Event::Eof) => return Err(format!("the XML ends early, at byte {at}")),
                Ok(Event::Start(start)) => {
                    self.begun = true;
                    self.depth = self.depth.saturating_add(1);
                    self.text.clear();
                    let name = start.local_name().as_ref().to_vec();
                    self.started = Some(start);
                    return Ok(Some(Step::Start(name)));
                }
                Ok(Event::Empty(start)) => {
                    self.begun = true;
                    let name = start.local_name().as_ref().to_vec();
                    self.pending_end = Some(name.clone());
                    self.started = Some(start);
                    return Ok(Some(Step::Start(name)));
                }
                Ok(Event::End(end)) => {
                    self.depth = self.depth.saturating_sub(1);
                    let name = end.local_name().as_ref().to_vec();
                    return Ok(Some(Step::End { name, text: std::mem::take(&mut self.text) }));
                }
                Ok(Event::Text(text)) => self.text.extend_from_slice(&text),
                Ok(Event::CData(text)) => self.text.extend_from_slice(&text),
                Ok(Event::GeneralRef(reference)) => {
                    let name = String::from_utf8_lossy(&reference).into_owned();
                    if let Ok(Some(character)) = reference.resolve_char_ref() {
                        self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    } else if let Some(meaning) = resolve_xml_entity(&name) {
                        self.text.extend_from_slice(meaning.as_bytes());
                    } else {
                        return Err(format!("unknown entity `&{};` at byte {at}", name.escape_debug()));
                    }
                }
                Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
            }
        }
    }

    /// The element that began last has `attribute` with this value.
    pub(super) fn has_attribute(&self, attribute: &str, value: &str) -> bool {
        let started = self.started.as_ref();
        let found = started.and_then(|start| start.try_get_attribute(attribute).ok().flatten());
        found.is_some_and(|found| found.value.as_ref() == value.as_bytes())
    }
}

/// RFC 3339 as S3 writes it, RFC 2822 as HTTP and Azure do, or one of the forms that others write.
pub(super) fn parse_time(text: &str) -> Option<TimestampMs> {
    let text = text.trim();
    if let Ok(time) = TimestampMs::parse_rfc3339(text) {
        return Some(time);
    }
    if let Ok(time) = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text) {
        return Some(TimestampMs(time.as_millisecond()));
    }
    // without a zone: UTC, which is what every storage means
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    Some(TimestampMs(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond()))
}
