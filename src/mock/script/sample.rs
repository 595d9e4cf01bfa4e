//! A value that fits a JSON schema, as plain as can be.

use serde_json::{Map, Value, json};

/// Deeper than schemas go that do not refer to themselves.
const DEPTH_MAX: usize = 16;

/// A value for `schema` with `words` for every text in it.
///
/// Knows what structured outputs allow: types, `enum`, `const`, `anyOf` and
/// references into the schema itself.
pub(in crate::mock) fn sample(schema: &Value, words: &str) -> Value {
    Sampler {
        root: schema,
        words,
    }
    .value(schema, 0)
}

struct Sampler<'a> {
    root: &'a Value,
    words: &'a str,
}

impl Sampler<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        if depth == DEPTH_MAX {
            return Value::Null;
        }
        let other = self
            .referred(schema)
            .or_else(|| schema.pointer("/anyOf/0"))
            .or_else(|| schema.pointer("/oneOf/0"))
            .or_else(|| schema.pointer("/allOf/0"));
        if let Some(other) = other {
            return self.value(other, depth + 1);
        }
        let given = schema
            .get("const")
            .or_else(|| schema.pointer("/enum/0"))
            .cloned();
        given.unwrap_or_else(|| self.of_type(schema, depth))
    }

    fn of_type(&self, schema: &Value, depth: usize) -> Value {
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => {
                let item = schema.get("items").unwrap_or(&Value::Null);
                json!([self.value(item, depth + 1)])
            }
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => json!(self.words),
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let properties = schema.get("properties").and_then(Value::as_object);
        let members: Map<String, Value> = properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), self.value(schema, depth + 1)))
            .collect();
        members.into()
    }

    fn referred(&self, schema: &Value) -> Option<&Value> {
        let path = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(path)
    }
}

/// The type; the first one that is not null if there are several.
fn kind(schema: &Value) -> &str {
    let named = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null"),
        one => one,
    };
    let implied = if schema.get("properties").is_some() {
        "object"
    } else {
        "string"
    };
    named.and_then(Value::as_str).unwrap_or(implied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_schema_gets_a_value_that_fits() {
        let schema = json!({
            "type": "object",
            "properties": {
                "text": {"type": ["null", "string"]},
                "whole": {"type": "integer", "minimum": 3},
                "word": {"enum": ["x", "y"]},
                "list": {"type": "array", "items": {"$ref": "#/$defs/point"}},
                "either": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            },
            "$defs": {"point": {"properties": {"a": {"const": 7}}}},
        });
        let wanted = json!({
            "text": "w", "whole": 3, "word": "x", "list": [{"a": 7}], "either": true,
        });
        assert_eq!(sample(&schema, "w"), wanted);
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        let schema = json!({"type": "array", "items": {"$ref": "#"}});
        assert!(sample(&schema, "w").is_array());
    }
}
