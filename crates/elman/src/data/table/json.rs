//! Rows from JSON: an object a line, or an array of objects. A key that no object before had is a new column.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::rows::{OnBad, Parsed, Row};
use crate::error::Error;

/// The rows of an object a line. Errors: none of its own; `on_bad` handles a line that holds something else.
pub fn lines(name: &str, bytes: &[u8], on_bad: OnBad<'_>) -> Result<Parsed, Error> {
    let mut parsed = Parsed::default();
    let mut places: HashMap<String, u32> = HashMap::new();
    for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = at as u64 + 1;
        let read = match json_object(name, number, line) {
            Ok(None) => continue,
            Ok(Some(object)) => {
                new_keys(line, &object, &mut places, &mut parsed.columns);
                row(name, number, object, &places)
            }
            Err(error) => Err(error),
        };
        match read {
            Ok(row) => parsed.rows.push(row),
            Err(error) => on_bad(error)?,
        }
    }
    Ok(parsed)
}

/// The rows of an array of objects; the place of an object counts as its line.
pub fn array(name: &str, bytes: &[u8], on_bad: OnBad<'_>) -> Result<Parsed, Error> {
    let mut parsed = Parsed::default();
    let mut places: HashMap<String, u32> = HashMap::new();
    let all: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(|error| Error::Data {
        name: name.to_string(),
        problem: format!("the file is no array of JSON objects: {error}"),
    })?;
    for (object, number) in all.into_iter().map(|raw| raw.get().as_bytes()).zip(1_u64..) {
        let read = json_object(name, number, object).and_then(|read| {
            let read = read.unwrap_or_default();
            new_keys(object, &read, &mut places, &mut parsed.columns);
            row(name, number, read, &places)
        });
        match read {
            Ok(row) => parsed.rows.push(row),
            Err(error) => on_bad(error)?,
        }
    }
    Ok(parsed)
}

/// The object that a line of JSON lines holds; None where the line is blank. Errors: it holds something else.
pub fn json_object(name: &str, line: u64, bytes: &[u8]) -> Result<Option<Map<String, Value>>, Error> {
    let refuse = |problem: String| Error::Row { name: name.to_string(), line, column: None, problem };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| refuse("the line is not UTF-8".to_string()))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(other) => Err(refuse(format!("the line holds {}, expected a JSON object", kind(&other)))),
        // Its line is that of the text it was given: the first.
        Err(error) => Err(refuse(format!("the line is not JSON: {error}").replace(" at line 1 column", " at column"))),
    }
}

/// The keys of a JSON object in their order.
struct Keys(Vec<String>);

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Keys, D::Error> {
        struct Reader;
        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Keys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, serde::de::IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        from.deserialize_map(Reader)
    }
}

/// Makes columns of the keys that no line before had, in the order of this line.
fn new_keys(line: &[u8], object: &Map<String, Value>, places: &mut HashMap<String, u32>, columns: &mut Vec<String>) {
    if object.keys().all(|key| places.contains_key(key)) {
        return;
    }
    let Ok(Keys(keys)) = serde_json::from_slice(line) else { return };
    for key in keys {
        let next = columns.len() as u32;
        places.entry(key).or_insert_with_key(|key| {
            columns.push(key.clone());
            next
        });
    }
}

fn row(name: &str, line: u64, object: Map<String, Value>, places: &HashMap<String, u32>) -> Result<Row, Error> {
    let mut cells = Vec::with_capacity(object.len());
    for (key, value) in object {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let problem = format!("the cell holds {}, expected text, a number, true, false or null", kind(&value));
                return Err(Error::Row { name: name.to_string(), line, column: Some(key), problem });
            }
        };
        let Some(&place) = places.get(&key) else { continue };
        cells.push((place, text));
    }
    cells.sort_by_key(|cell| cell.0);
    Ok(Row { line, cells })
}

/// The type of a JSON value, as text.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
