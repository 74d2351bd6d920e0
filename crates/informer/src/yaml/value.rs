//! Turns a stream of YAML or JSON tokens into a value, refusing what has no end or two meanings.
//!
//! Knows nothing of the text.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{DEEPEST, LONGEST};

/// How much one document may come to, in nodes and bytes of text. Only aliases can make more of a
/// document than it is long.
const BUDGET: usize = 2 * LONGEST;

/// A value that is within bounds.
pub(super) struct Checked(pub(super) Value);

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let budget = Cell::new(BUDGET);
        Bounded { budget: &budget, levels: DEEPEST }.deserialize(deserializer).map(Self)
    }
}

pub(super) fn too_deep() -> String {
    format!("is nested deeper than {DEEPEST} levels")
}

/// One value, as deep as the levels and as large as the budget that are left.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    budget: &'a Cell<usize>,
    levels: usize,
}

impl Bounded<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom(too_deep()))?;
        Ok(Self { levels, ..self })
    }

    fn spend<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.budget.get().checked_sub(bytes + 1);
        self.budget.set(left.ok_or_else(|| E::custom("comes to too much by its aliases"))?);
        Ok(())
    }

    fn scalar<E: Error>(self, value: impl Into<Value>) -> Result<Value, E> {
        self.spend(0)?;
        Ok(value.into())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value as in JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.spend(text.len())?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        self.spend(0)?;
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            list.push(element);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.spend(0)?;
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.spend(key.len())?;
            if key == "<<" {
                return Err(A::Error::custom("has a merge key (<<), which is not supported"));
            }
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("has the key {key:?} twice")));
            }
            map.insert(key, entries.next_value_seed(inner)?);
        }
        Ok(map.into())
    }
}
