//! Turns a JSON merge patch (RFC 7386) and what it patches into the patched value.
//!
//! Does not know which objects are patched.

use serde_yaml::{Mapping, Value};

/// Applies the patch: maps are merged, null removes, anything else replaces.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Mapping(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_mapping() {
        *target = Value::Mapping(Mapping::new());
    }
    let fields = target.as_mapping_mut().expect("the target was made a map above");
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, patch: &str, merged: &str) {
        let [mut target, patch, merged]: [Value; 3] =
            [target, patch, merged].map(|text| serde_yaml::from_str(text).unwrap());
        merge(&mut target, &patch);
        assert_eq!(target, merged);
    }

    #[test]
    fn merge_patches() {
        check("{a: b}", "{a: c}", "{a: c}");
        check("{a: b}", "{b: c}", "{a: b, b: c}");
        check("{a: b, b: c}", "{a: null}", "{b: c}");
        check("{a: [b]}", "{a: c}", "{a: c}");
        check("{a: {b: c}}", "{a: {b: d, c: null}}", "{a: {b: d}}");
        check("{a: [1, 2]}", "{a: [3]}", "{a: [3]}");
        check("{}", "{a: {b: {c: null}}}", "{a: {b: {}}}");
        check("[1]", "{a: b}", "{a: b}");
    }
}
