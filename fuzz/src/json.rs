//! JSON text: whatever it is, walking over it ends, and a text has the value of itself.

use allsource_engine::json::{Flaws, canonical, is_same_value, member};
use serde_json::value::RawValue;

/// Any text, and what holds for it if it is JSON.
pub fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (flaws, spelled) = (Flaws::of(&text), canonical(&text));
    let found = member(&text, "a");
    if serde_json::from_str::<&RawValue>(&text).is_err() {
        return;
    }
    assert!(!spelled.is_empty() && flaws.depth <= text.len(), "{text}");
    assert!(is_same_value(&text, &format!(" {text} ")), "{text}");
    if let Some(found) = found {
        serde_json::from_str::<&RawValue>(found).expect("a member is JSON");
    }
}

/// Texts with every kind of token, and some that end too early.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"a":[1,-2.5e+3,"x\"y\\",true,null],"b":{"a":{}},"a":"\ud83d\ude00"}"#,
        r#"{"\ud83d":"\udc00","gr\u00f6\u00dfe":[[[]],{"é":"é\n"}]}"#,
        r#"[0,-0,1e400,100000000000000000000000000001,{"b":1,"a":2}]"#,
        r#"{"a":"é\u12"#,
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
