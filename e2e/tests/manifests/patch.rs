//! Turns an object and a patch into what `kubectl patch` makes of them, as far as patches of ours go.
//!
//! Knows that containers are found by their names; any other list is an error.

use serde_json::{Map, Value};

/// The patched object. A patch adds no container: a name that is not there is a mistake of the patch.
///
/// # Errors
/// What of the patch cannot be applied.
pub(crate) fn strategic_merge(object: &Value, patch: &Value) -> Result<Value, String> {
    let mut merged = object.clone();
    merge(&mut merged, patch, "")?;
    Ok(merged)
}

fn merge(object: &mut Value, patch: &Value, path: &str) -> Result<(), String> {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => merge_fields(object, patch, path),
        (Value::Array(list), Value::Array(patch)) if path.ends_with(".containers") => {
            for element in patch {
                let name = &element["name"];
                let target = list.iter_mut().find(|target| target["name"] == *name);
                let target = target.ok_or_else(|| format!("{path} has none of the name {name}"))?;
                merge(target, element, &format!("{path}[{name}]"))?;
            }
            Ok(())
        }
        (_, Value::Object(_) | Value::Array(_)) => {
            Err(format!("{path} is of another shape, or of an unknown one"))
        }
        (object, patch) => {
            *object = patch.clone();
            Ok(())
        }
    }
}

fn merge_fields(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    path: &str,
) -> Result<(), String> {
    patch.iter().try_for_each(|(field, value)| {
        let path = format!("{path}.{field}");
        let target = object.get_mut(field).ok_or_else(|| format!("{path} is not there"))?;
        merge(target, value, &path)
    })
}
