//! What a program says to end its run: one line of JSON on the result descriptor.
//!
//! Enters: bytes as they come. Leaves: the first whole line, read. Refuses: a line that is no result, and one that is longer
//! than the run's output may be.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use tenzik::backend::Ended;
use tenzik::router::Limit;
use tenzik_receipt::{InputType, Label};

/// What stands around a value in its line, with room.
const FRAME_BYTES: u64 = 64;
/// How many characters of a program's own message are kept.
const MESSAGE_CHARS_MAX: usize = 512;

/// A result line:
///
/// ```json
/// {"ok":VALUE}
/// {"ok_base64":"…"}
/// {"failed":{"code":"no_stock","message":"…"}}
/// ```
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Frame {
    Ok(Box<RawValue>),
    OkBase64(String),
    Failed(Failed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    code: String,
    #[serde(default)]
    message: Option<String>,
}

/// Bytes of the result descriptor, until there is a line.
pub(crate) struct ResultLine {
    input_type: InputType,
    /// The most bytes of a value; `None` is no bound, which no run has.
    output_bytes_max: Option<u64>,
    line: Vec<u8>,
}

impl ResultLine {
    pub(crate) const fn new(input_type: InputType, output_bytes_max: Option<u64>) -> Self {
        Self {
            input_type,
            output_bytes_max,
            line: Vec::new(),
        }
    }

    /// Takes what came. Gives the run's end once there is a whole line; what stands behind it is nobody's.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Option<Ended> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        self.line
            .extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        // Base64 is a third longer than what it stands for.
        let bound = self
            .output_bytes_max
            .map(|bytes| bytes + bytes / 3 + FRAME_BYTES);
        if bound.is_some_and(|bound| self.line.len() as u64 > bound) {
            return Some(Ended::LimitReached(Limit::OutputBytes));
        }
        end.map(|_| self.read())
    }

    fn read(&self) -> Ended {
        let frame = serde_json::from_slice::<Frame>(&self.line);
        match (frame, self.input_type) {
            (Ok(Frame::Ok(value)), InputType::Json) => Ended::Ok(Arc::from(value.get().as_bytes())),
            (Ok(Frame::OkBase64(text)), InputType::Bytes) => match STANDARD.decode(text) {
                Ok(bytes) => Ended::Ok(bytes.into()),
                Err(_) => failed("bad_result", None),
            },
            (Ok(Frame::Failed(Failed { code, message })), _) => {
                let message = message.map(|message| plain(&message));
                match Label::new(format!("own:{code}")) {
                    Ok(code) => Ended::Failed { code, message },
                    Err(_) => failed("bad_result", None),
                }
            }
            _ => failed("bad_result", None),
        }
    }
}

fn plain(message: &str) -> String {
    message
        .chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_CHARS_MAX)
        .collect()
}

/// A failure that the backend saw.
pub(crate) fn failed(code: &'static str, message: Option<String>) -> Ended {
    Ended::Failed {
        code: Label::constant(code),
        message,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(bytes: &[u8]) -> Option<Ended> {
        ResultLine::new(InputType::Json, Some(1 << 20)).take(bytes)
    }

    fn ok(value: &str) -> Option<Ended> {
        Some(Ended::Ok(value.as_bytes().into()))
    }

    #[test]
    fn the_first_whole_line_counts_and_nothing_behind_it() {
        assert_eq!(json(b"{\"ok\":1}"), None);
        assert_eq!(
            json(b"{\"ok\": {\"a\":1.50} }\n{\"ok\":2}\n"),
            ok("{\"a\":1.50}")
        );
        let own = Ended::Failed {
            code: Label::constant("own:no_stock"),
            message: Some("none left".to_owned()),
        };
        let line = b"{\"failed\":{\"code\":\"no_stock\",\"message\":\"none\\u0007 left\"}}\n";
        assert_eq!(json(line), Some(own));
    }

    #[test]
    fn what_is_no_result_is_a_failure_and_never_a_status() {
        for line in [
            &b"\n"[..],
            b"1\n",
            b"{}\n",
            b"{\"ok\":1,\"ok\":2}\n",
            b"{\"status\":\"ok\",\"value\":1}\n",
            b"{\"ok\":1}x\n",
            b"{\"ok_base64\":\"AA==\"}\n",
            b"{\"failed\":{\"code\":\"a b\\n\"}}\n",
            b"\xff\n",
        ] {
            assert_eq!(json(line), Some(failed("bad_result", None)), "{line:?}");
        }
    }

    #[test]
    fn bytes_come_as_base64_and_only_where_bytes_are_asked_for() {
        let bytes = |line: &[u8]| ResultLine::new(InputType::Bytes, Some(64)).take(line);
        assert_eq!(
            bytes(b"{\"ok_base64\":\"aGkK\"}\n"),
            Some(Ended::Ok((*b"hi\n").into()))
        );
        assert_eq!(bytes(b"{\"ok\":1}\n"), Some(failed("bad_result", None)));
        assert_eq!(
            bytes(b"{\"ok_base64\":\"?\"}\n"),
            Some(failed("bad_result", None))
        );
    }

    #[test]
    fn a_line_without_an_end_is_a_limit_that_was_reached() {
        let mut line = ResultLine::new(InputType::Json, Some(1_000));
        let ends: Vec<_> = (0..20).filter_map(|_| line.take(&[b'1'; 100])).collect();
        assert_eq!(ends.first(), Some(&Ended::LimitReached(Limit::OutputBytes)));
    }

    proptest! {
        /// However the bytes are cut, the line is the same.
        #[test]
        fn pieces_make_no_difference(text in "[ -~]{0,40}", cut in 0..60_usize) {
            let line = format!("{{\"ok\":{}}}\n", serde_json::Value::from(text));
            let cut = cut.min(line.len());
            let mut pieces = ResultLine::new(InputType::Json, Some(1 << 10));
            let first = pieces.take(&line.as_bytes()[..cut]);
            let whole = first.or_else(|| pieces.take(&line.as_bytes()[cut..]));
            prop_assert_eq!(whole, json(line.as_bytes()));
        }

        /// A stranger's bytes never panic.
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            drop(json(&bytes));
        }
    }
}
