//! The libraries' errors in the command line's words.
//!
//! Enters: errors of the engine and the receipt crate. Leaves: exit codes, codes and remedies. Refuses nothing.

use std::borrow::Cow;

use tenzik::execution::EngineError;
use tenzik_receipt::export::ExportError;
use tenzik_receipt::{ReadError, SignError};

use crate::error::{Exit, Explain};

impl Explain for EngineError {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn code(&self) -> &'static str {
        match self {
            Self::CodeDir(_) => "code_dir",
            _ => "engine",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::CodeDir(error) => error.remedy().into(),
            _ => "`tenzik doctor` says what is missing".into(),
        }
    }
}

impl Explain for SignError {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn code(&self) -> &'static str {
        "sign"
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Use { wanted, .. } => {
                format!("make a key with: tenzik key gen --use {wanted} --out FILE").into()
            }
            _ => "report this: a run's own receipt always has the right form".into(),
        }
    }
}

impl Explain for ExportError {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn code(&self) -> &'static str {
        "export"
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Sign(error) => error.hint(),
            _ => "use --format in-toto".into(),
        }
    }
}

/// Reading a receipt: its form is the first thing that a verification checks.
impl Explain for ReadError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn code(&self) -> &'static str {
        "receipt_form"
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Trailing { .. } => {
                "take off what follows the closing brace; often it is a newline that an editor added"
            }
            Self::Size { .. } => "name the receipt itself; no receipt is so large",
            Self::Value { expected, .. } if *expected == "a receipt" => {
                "name a receipt: what `tenzik run --receipt FILE` writes, or an id of your store"
            }
            _ => "get the receipt again, byte for byte; not even a newline may be added",
        }
        .into()
    }
}
