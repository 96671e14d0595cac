//! A slow second opinion on strict JSON: serde_json's grammar, with the rules it lacks on top.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Whether `text` is strict JSON. Only for texts less than 128 deep, since serde_json's own limit
/// lies there; the vectors pin ours.
pub(super) fn accepts(text: &[u8]) -> bool {
    serde_json::from_slice::<Strict>(text).is_ok()
}

/// Any value without a doubled name. Strings are read in full, so half surrogates are errors.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
        while seq.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("doubled name"));
            }
            map.next_value::<Strict>()?;
        }
        Ok(Strict)
    }
}

/// Whether the text is a number too large for serde_json's `f64`, which strict JSON takes.
pub(super) fn has_vast_number(text: &[u8]) -> bool {
    let plain = serde_json::from_slice::<IgnoredAny>(text).is_ok();
    let kept = serde_json::from_slice::<serde_json::Value>(text);
    plain && kept.is_err_and(|e| e.to_string().contains("number out of range"))
}
