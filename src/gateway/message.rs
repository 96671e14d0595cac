//! What goes through the gateway: six operations and their answers, as JSON.
//!
//! Enters: typed requests, or JSON of a stranger. Leaves: the same, and the JSON that stands in frames and transcripts.
//! Refuses: unknown members, ids and lists beyond their bounds, JSON that is not strict.
//!
//! Arguments and results are [`Json`]: text that was checked and is passed on as it is, so no number loses a digit and no
//! member its place.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{GatewayError, GatewayErrorCode};
use crate::json::{self, JsonError, JsonErrorKind};

/// The longest tool id.
const TOOL_ID_BYTES_MAX: usize = 256;
/// The longest query.
pub const QUERY_BYTES_MAX: usize = 1_024;
/// The most tools or examples that one call lists.
pub const LISTED_MAX: u32 = 1_000;
/// The most steps of one chain, whatever the run's limit.
pub const CHAIN_STEPS_MAX: usize = 64;

/// JSON text that was checked: strict as `docs/abi.md` has it, and kept as it came, but for white space around it, which goes,
/// and line breaks and tabs between its parts, which become blanks: frames and transcripts have a line for each message, and
/// what is read from a line must be what was written.
///
/// It is kept as what a serializer takes as it is, so that a message is written without being read again.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Takes a text, if it is strict JSON.
    ///
    /// # Errors
    /// The first fault, with its offset.
    pub fn new(text: impl Into<String>) -> Result<Self, JsonError> {
        let text = text.into();
        json::check(text.as_bytes())?;
        let raw = RawValue::from_string(one_line(text));
        // Strict JSON is JSON to the serializer too. Were it not, this would be refused like the rest.
        raw.map(|raw| Self(raw.into()))
            .map_err(|error| JsonError::new(error.column(), JsonErrorKind::UnexpectedEnd))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The text, parsed. Numbers that no binary64 holds lose digits here, and only here.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(self.as_str()).unwrap_or(serde_json::Value::Null)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        // What comes in a line is in one already, and is not read a third time.
        if has_break(raw.get()) {
            return Self::new(raw.get()).map_err(serde::de::Error::custom);
        }
        json::check(raw.get().as_bytes()).map_err(serde::de::Error::custom)?;
        Ok(Self(raw.into()))
    }
}

/// Without white space around it, and with blanks for line breaks and tabs. Raw control characters are white space here:
/// within strings they are not strict JSON.
fn one_line(text: String) -> String {
    let inner = text.trim_matches([' ', '\n', '\r', '\t']);
    if has_break(inner) {
        return inner.replace(['\n', '\r', '\t'], " ");
    }
    match inner.len() == text.len() {
        true => text,
        false => inner.to_owned(),
    }
}

/// Looks at all of it, which is quicker than to stop early: so the compiler takes many bytes at a time.
fn has_break(text: &str) -> bool {
    let is_break = |byte: u8| matches!(byte, b'\n' | b'\r' | b'\t');
    text.bytes()
        .fold(false, |found, byte| found | is_break(byte))
}

/// A tool's name: `namespace:name`, or a name alone. Letters, digits and `_ . - : /`, 256 bytes at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ToolId(Arc<str>);

/// A text that is no tool's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tool's id has 1 to 256 letters, digits and `_ . - : /`")]
pub struct NotAToolId;

impl ToolId {
    /// Takes a text, if it is of the form.
    ///
    /// # Errors
    /// [`NotAToolId`].
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, NotAToolId> {
        let text = text.into();
        let fits = (1..=TOOL_ID_BYTES_MAX).contains(&text.len());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:/".contains(&byte);
        if fits && text.bytes().all(plain) {
            return Ok(Self(text));
        }
        Err(NotAToolId)
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon; empty if there is none.
    pub fn namespace(&self) -> &str {
        self.0
            .split_once(':')
            .map_or("", |(namespace, _)| namespace)
    }
}

impl fmt::Display for ToolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ToolId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(text.as_ref()).map_err(serde::de::Error::custom)
    }
}

/// How much of a description is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DescribeLevel {
    /// What it does, in a line.
    Summary,
    /// And what it takes and gives.
    Schema,
    /// And everything else that is known.
    Full,
}

/// A request to the gateway.
///
/// ```json
/// {"run_tool":{"tool":"mail:send","arguments":{"to":"a@example.org"}}}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the methods of ToolGateway say what each is")]
pub enum Operation {
    DescribeTool { tool: ToolId, level: DescribeLevel },
    ListNamespaces {},
    ListToolExamples { tool: ToolId, limit: u32 },
    RunChain { steps: Vec<ChainStep> },
    RunTool { tool: ToolId, arguments: Json },
    SearchTools { query: String, limit: u32 },
}

/// The answer to an [`Operation`], of the same kind, if it succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the methods of ToolGateway say what each is")]
pub enum Answer {
    Chain(Chain),
    Description(Box<ToolDescription>),
    Examples(Vec<ToolExample>),
    Namespaces(Vec<String>),
    Result(Json),
    Tools(Vec<ToolSummary>),
}

/// One tool among those that a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolSummary {
    /// Its id.
    pub id: ToolId,
    /// What it does, in a line.
    pub summary: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What a tool is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolDescription {
    /// Its id.
    pub id: ToolId,
    /// What it does, in a line.
    pub summary: String,
    /// JSON Schema of its arguments; from [`DescribeLevel::Schema`] on.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub input_schema: Option<Json>,
    /// JSON Schema of its result, if one is given; from [`DescribeLevel::Schema`] on.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub output_schema: Option<Json>,
    /// Everything else that is known; [`DescribeLevel::Full`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl ToolDescription {
    /// As much of it as a level has.
    pub fn at(mut self, level: DescribeLevel) -> Self {
        if level < DescribeLevel::Schema {
            self.input_schema = None;
            self.output_schema = None;
        }
        if level < DescribeLevel::Full {
            self.notes = None;
        }
        self
    }
}

/// A use of a tool, to learn from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolExample {
    /// What it shows.
    pub title: String,
    /// The arguments.
    pub arguments: Json,
    /// What the tool gives for them, if that is known.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub result: Option<Json>,
}

/// One call of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainStep {
    /// The tool.
    pub tool: ToolId,
    /// Its arguments; an object if `use_previous` is set.
    pub arguments: Json,
    /// Whether the result before it is added to the arguments, as their member `previous`.
    #[serde(default)]
    pub use_previous: bool,
}

/// What came of a chain: a result for each step that was made. Only the last can be a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The steps that were made, in order.
    pub steps: Vec<StepOutcome>,
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepOutcome {
    /// The tool.
    pub tool: ToolId,
    /// Its result.
    #[serde(with = "outcome")]
    pub result: Result<Json, GatewayError>,
}

/// A member that is there: `null` is JSON too, and not its absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// `{"ok":…}` or `{"error":{…}}`.
pub(super) mod outcome {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::GatewayError;

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Lent<'a, T> {
        Ok(&'a T),
        Error(&'a GatewayError),
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Owned<T> {
        Ok(T),
        Error(GatewayError),
    }

    pub(crate) fn serialize<S: Serializer, T: Serialize>(
        result: &Result<T, GatewayError>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let lent = match result {
            Ok(value) => Lent::Ok(value),
            Err(error) => Lent::Error(error),
        };
        lent.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Result<T, GatewayError>, D::Error> {
        Ok(match Owned::deserialize(deserializer)? {
            Owned::Ok(value) => Ok(value),
            Owned::Error(error) => Err(error),
        })
    }
}

impl Chain {
    /// The last step's result, which is the chain's.
    pub fn result(&self) -> Option<&Result<Json, GatewayError>> {
        self.steps.last().map(|step| &step.result)
    }
}

impl ChainStep {
    /// The arguments with which the step is made: its own, and what was before it if it asks for that.
    pub(super) fn arguments_after(&self, previous: Option<&Json>) -> Result<Json, GatewayError> {
        let Some(previous) = previous.filter(|_| self.use_previous) else {
            return Ok(self.arguments.clone());
        };
        // An object, by `check_chain`. What stands in it stays byte for byte.
        let own = self.arguments.as_str().trim_ascii();
        let inner = own[1..own.len() - 1].trim_ascii();
        let comma = if inner.is_empty() { "" } else { "," };
        let joined = format!("{{{inner}{comma}\"previous\":{previous}}}");
        // Two results that are each within bounds may be too deep or too long together.
        Json::new(joined)
            .map_err(|error| invalid(format!("the arguments with `previous`: {error}")))
    }
}

/// Refuses a chain of which a step could never be given what it asks for.
pub(super) fn check_chain(steps: &[ChainStep]) -> Result<(), GatewayError> {
    if steps.is_empty() || steps.len() > CHAIN_STEPS_MAX {
        return Err(invalid(format!(
            "a chain has 1 to {CHAIN_STEPS_MAX} steps, this one {}",
            steps.len()
        )));
    }
    for (index, step) in steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.use_previous)
    {
        if index == 0 {
            return Err(invalid("the first step has nothing before it"));
        }
        match step.arguments.to_value() {
            serde_json::Value::Object(members) if !members.contains_key("previous") => {}
            _ => {
                return Err(invalid(format!(
                    "step {index} uses `previous`, so its arguments are an object without that member"
                )));
            }
        }
    }
    Ok(())
}

impl Operation {
    /// Holds the request against the bounds that no type has.
    ///
    /// # Errors
    /// [`GatewayErrorCode::InvalidRequest`].
    pub fn check(&self) -> Result<(), GatewayError> {
        match self {
            Self::ListToolExamples { limit, .. } => check_limit(*limit),
            Self::RunChain { steps } => check_chain(steps),
            Self::SearchTools { query, limit } => {
                if query.len() > QUERY_BYTES_MAX {
                    return Err(invalid(format!(
                        "the query has {} bytes, {QUERY_BYTES_MAX} are allowed",
                        query.len()
                    )));
                }
                check_limit(*limit)
            }
            Self::DescribeTool { .. } | Self::ListNamespaces {} | Self::RunTool { .. } => Ok(()),
        }
    }
}

fn check_limit(limit: u32) -> Result<(), GatewayError> {
    if limit > LISTED_MAX {
        return Err(invalid(format!(
            "{limit} are asked for, at most {LISTED_MAX} are listed"
        )));
    }
    Ok(())
}

fn invalid(message: impl AsRef<str>) -> GatewayError {
    GatewayError::new(GatewayErrorCode::InvalidRequest, message)
}
