//! The host calls of a run, one JSON object a line.
//!
//! Enters: what was recorded. Leaves: text. Refuses: nothing; how many calls and how much of each is bounded where they are
//! recorded. There is no time in it: the same run gives the same bytes.

use serde_json::{Map, Value, json};
use tenzik::observation::{Observation, Seen};

use super::symbols::Symbols;

/// A line for each call, and one for those that were not recorded.
pub(super) fn lines(seen: &Observation, symbols: &Symbols) -> String {
    let mut lines = String::new();
    for (index, call) in seen.calls.iter().enumerate() {
        let arguments = call.arguments.iter();
        let arguments: Map<_, _> = arguments
            .map(|(name, value)| ((*name).to_owned(), number(*value)))
            .collect();
        let line = json!({
            "call": index + 1,
            "name": call.function.import().name,
            "caller": call.caller.map(|caller| symbols.function(caller)),
            "fuel_before": call.fuel_before,
            "fuel": call.fuel,
            "arguments": arguments,
            "memory": call.memory.iter().map(bytes).collect::<Vec<_>>(),
            "answer": call.answer.map(number),
            "result": call.result.as_ref().map(bytes),
            "ended_run": call.ended_run,
        });
        lines += &format!("{line}\n");
    }
    if seen.calls_more > 0 {
        lines += &format!("{}\n", json!({"calls_more": seen.calls_more}));
    }
    lines
}

fn bytes(seen: &Seen) -> Value {
    json!({"bytes": seen.bytes, "begins": seen.begins})
}

/// Whole numbers without a point. What JSON has no form for is `null`.
fn number(value: f64) -> Value {
    let whole = value as i64;
    match whole as f64 == value && whole.unsigned_abs() < 1 << 53 {
        true => json!(whole),
        false => json!(value),
    }
}

#[cfg(test)]
mod tests {
    use tenzik::capability::HostFunction;
    use tenzik::observation::HostCall;

    use super::*;

    #[test]
    fn a_call_is_one_line_whatever_it_was_given() {
        let seen = Observation {
            calls: vec![HostCall {
                function: HostFunction::OutputNum,
                caller: Some(7),
                fuel_before: 10,
                fuel: 50,
                arguments: vec![("ptr", 65_536.0), ("number", 0.5)],
                memory: vec![Seen {
                    bytes: 900,
                    begins: "a\n\u{1b}\"".to_owned(),
                }],
                answer: Some(-1.0),
                result: None,
                ended_run: false,
            }],
            calls_more: 3,
            ..Observation::default()
        };
        assert_eq!(
            lines(&seen, &Symbols::default()),
            concat!(
                r#"{"answer":-1,"arguments":{"number":0.5,"ptr":65536},"call":1,"caller":"function 7","ended_run":false,"#,
                r#""fuel":50,"fuel_before":10,"memory":[{"begins":"a\n\u001b\"","bytes":900}],"name":"output_num","result":null}"#,
                "\n{\"calls_more\":3}\n"
            )
        );
        assert_eq!(number(f64::NAN), Value::Null);
    }
}
