//! What goes into statements and comes out of them.
//!
//! Enters: numbers, text, bytes. Leaves: the same. Refuses: numbers of 2^63 and above, and a column that holds something else
//! than the caller names.

use super::SqlError;

/// A parameter, or a place in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number. The project's own are counts and sizes, none below 0.
    Integer(i64),
    /// UTF-8.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Value {
    /// A number.
    ///
    /// # Errors
    /// [`SqlError::Range`] at 2^63 and above.
    pub fn integer(number: u64) -> Result<Self, SqlError> {
        i64::try_from(number)
            .map(Self::Integer)
            .map_err(|_| SqlError::Range { number })
    }

    /// Bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Integer(_) => "a number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// A row of an answer. Its columns are taken, each once, by their place from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    /// A number of 0 and above.
    ///
    /// # Errors
    /// [`SqlError::Unexpected`] for anything else.
    pub fn integer(&mut self, column: usize) -> Result<u64, SqlError> {
        match self.take(column) {
            Value::Integer(number) if number >= 0 => Ok(number.cast_unsigned()),
            other => Err(unexpected(column, "a number from 0", &other)),
        }
    }

    /// A number of 0 and above, or nothing.
    ///
    /// # Errors
    /// [`SqlError::Unexpected`] for anything else.
    pub fn integer_if_any(&mut self, column: usize) -> Result<Option<u64>, SqlError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.integer(column).map(Some),
        }
    }

    /// Text.
    ///
    /// # Errors
    /// [`SqlError::Unexpected`] for anything else.
    pub fn text(&mut self, column: usize) -> Result<String, SqlError> {
        match self.take(column) {
            Value::Text(text) => Ok(text),
            other => Err(unexpected(column, "text", &other)),
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// [`SqlError::Unexpected`] for anything else.
    pub fn bytes(&mut self, column: usize) -> Result<Vec<u8>, SqlError> {
        match self.take(column) {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(unexpected(column, "bytes", &other)),
        }
    }

    /// Exactly so many bytes.
    ///
    /// # Errors
    /// [`SqlError::Unexpected`] for anything else.
    pub fn array<const BYTES: usize>(&mut self, column: usize) -> Result<[u8; BYTES], SqlError> {
        let bytes = self.bytes(column)?;
        let found = bytes.len();
        bytes.try_into().map_err(|_| SqlError::Unexpected {
            what: format!("column {column} has {found} bytes, not {BYTES}"),
        })
    }

    fn take(&mut self, column: usize) -> Value {
        self.0
            .get_mut(column)
            .map_or(Value::Null, |value| std::mem::replace(value, Value::Null))
    }
}

fn unexpected(column: usize, wanted: &str, found: &Value) -> SqlError {
    SqlError::Unexpected {
        what: format!("column {column} holds {}, not {wanted}", found.name()),
    }
}
