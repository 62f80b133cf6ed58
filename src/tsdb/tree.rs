//! A JSON document as a tree that borrows its texts from the bytes: the `meta.json` of a large block holds hundreds of
//! ULIDs, of which no copy is needed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// A number that is no whole one of 64 bits. Nothing that is read has such a value.
    OtherNumber,
    Signed(i64),
    Unsigned(u64),
    String(Cow<'a, str>),
    Array(Vec<Self>),
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    pub(super) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(super) const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    pub(super) fn as_i64(&self) -> Option<i64> {
        if let Self::Unsigned(value) = self {
            return i64::try_from(*value).ok();
        }
        if let Self::Signed(value) = self { Some(*value) } else { None }
    }

    pub(super) fn as_u64(&self) -> Option<u64> {
        if let Self::Signed(value) = self {
            return u64::try_from(*value).ok();
        }
        if let Self::Unsigned(value) = self { Some(*value) } else { None }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::String(value) = self { Some(value) } else { None }
    }

    pub(super) fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(value) = self { Some(value) } else { None }
    }

    pub(super) const fn as_object(&self) -> Option<&Object<'a>> {
        if let Self::Object(value) = self { Some(value) } else { None }
    }
}

/// Keys and values as they are written, equal keys included.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Object<'a> {
    /// All of it, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// Finds a key, in any case; of several the last, as Go does.
    pub(super) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<Value<'de>, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some((Key(key), value)) = entries.next_entry()? {
            object.push((key, value));
        }
        Ok(Value::Object(Object(object)))
    }
}

/// A key, borrowed where it holds no escape: serde's own `Cow` always copies.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(value.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_borrowed_unless_they_are_escaped() {
        let text = r#"{"a": ["plain", "esc\u0061ped", null, true, -1, 18446744073709551615, 1.0, 1e30], "\u0062": {}}"#;
        let Value::Object(object) = serde_json::from_str(text).unwrap() else { panic!("no object") };
        let items = object.get("a").and_then(Value::as_array).unwrap();
        assert!(matches!(&items[0], Value::String(Cow::Borrowed("plain"))));
        assert!(matches!(&items[1], Value::String(Cow::Owned(text)) if text == "escaped"));
        assert!(items[2].is_null() && items[3].as_bool() == Some(true));
        assert_eq!((items[4].as_i64(), items[4].as_u64()), (Some(-1), None));
        assert_eq!((items[5].as_i64(), items[5].as_u64()), (None, Some(u64::MAX)));
        assert_eq!(items[6..], [Value::OtherNumber, Value::OtherNumber]);
        assert!(object.get("b").and_then(Value::as_object).is_some());
    }

    #[test]
    fn keys_are_found_as_go_finds_them() {
        for (text, expected) in [
            (r#"{"key": 1, "KEY": 2}"#, Some(2)),
            (r#"{"KEY": 2, "key": 1, "key": 3}"#, Some(3)),
            (r#"{"Key": 2, "KEY": 4}"#, Some(4)),
            (r#"{"keys": 2}"#, None),
        ] {
            let Value::Object(object) = serde_json::from_str(text).unwrap() else { panic!("no object") };
            assert_eq!(object.get("key").and_then(Value::as_u64), expected, "{text}");
        }
    }

    #[test]
    fn no_depth_overflows_the_stack() {
        let deep = "[".repeat(100_000);
        assert!(serde_json::from_str::<Value<'_>>(&deep).is_err());
    }
}
